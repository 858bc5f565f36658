// A level of a chunk grid: a part of it in so many cells, each of which stands for one chunk or for several.

/** Read a chunk map's cells. Columns are lists, or one number where all cells have the same. */
class Level {
  constructor(spec) {
    const [rows, columns] = spec.shape;
    this.spec = spec;
    this.shape = [rows, columns];
    this.size = rows * columns;
    /** Chunks down and across that the level covers: [[first, last + 1], [first, last + 1]]. */
    this.region = spec.region ?? spec.grid_shape.map((n) => [0, n]);
    /** Chunks that lie behind each place of the drawn grid. */
    this.depth = spec.depth ?? spec.folded.reduce((product, [, n]) => product * n, 1);
  }

  at(name, cell) {
    const column = this.spec.cells[name];
    return Array.isArray(column) ? column[cell] : (column ?? 0);
  }

  all(name) {
    const column = this.spec.cells[name];
    return Array.isArray(column) ? column : [column ?? 0];
  }

  /** The first chunk of a row or column of cells. */
  edge(axis, cell) {
    const [start, stop] = this.region[axis];
    return start + Math.floor((cell * (stop - start)) / this.shape[axis]);
  }

  /** The row or column of cells that a place in the grid lies in. */
  find(axis, place) {
    const [start, stop] = this.region[axis];
    const n = this.shape[axis];
    let cell = Math.min(Math.max(Math.floor(((place - start) * n) / (stop - start)), 0), n - 1);
    while (cell < n - 1 && this.edge(axis, cell + 1) <= place) cell++;
    while (cell > 0 && this.edge(axis, cell) > place) cell--;
    return cell;
  }

  /** The chunks down and across of the cell at a place: [[first, last + 1], [first, last + 1]]. */
  cellAt(place) {
    return [0, 1].map((axis) => {
      const cell = this.find(axis, place[axis]);
      return [this.edge(axis, cell), this.edge(axis, cell + 1)];
    });
  }

  number(place) {
    return this.find(0, place[0]) * this.shape[1] + this.find(1, place[1]);
  }

  covers(region) {
    return [0, 1].every((axis) => this.region[axis][0] <= region[axis][0] && region[axis][1] <= this.region[axis][1]);
  }

  /** Chunks along each cell, at most. */
  get coarseness() {
    return Math.max(...[0, 1].map((axis) => (this.region[axis][1] - this.region[axis][0]) / this.shape[axis]));
  }

  count(cell) {
    const [row, column] = [Math.floor(cell / this.shape[1]), cell % this.shape[1]];
    return (
      (this.edge(0, row + 1) - this.edge(0, row)) * (this.edge(1, column + 1) - this.edge(1, column)) * this.depth
    );
  }

  mean(cell) {
    const there = this.count(cell) - this.at("n_missing", cell);
    return there ? this.at("stored_bytes", cell) / there : NaN;
  }

  ratio(cell) {
    if (this.spec.cells.ratio !== undefined) return this.at("ratio", cell) ?? NaN;
    return this.mean(cell) / this.spec.raw_chunk_bytes;
  }

  /** Say what a cell is. */
  words(cell) {
    const n = this.count(cell);
    const missing = this.at("n_missing", cell);
    if (missing === n) return n === 1 ? "never written" : `all ${count(n, "chunk")} never written`;
    const stored = this.at("stored_bytes", cell);
    const ratio = this.ratio(cell);
    const parts = [
      n === 1 ? bytesInWords(stored) : `${count(n - missing, "chunk")}, ${bytesInWords(stored)}`,
      n - missing > 1
        ? `${bytesInWords(this.at("min_bytes", cell))} to ${bytesInWords(this.at("max_bytes", cell))} each`
        : "",
      Number.isFinite(ratio) ? `${percent(ratio)} of raw` : "",
      missing ? `${missing.toLocaleString("en")} never written` : "",
      this.at("n_inline", cell) ? `${this.at("n_inline", cell).toLocaleString("en")} inline` : "",
    ];
    return parts.filter(Boolean).join(", ");
  }
}
