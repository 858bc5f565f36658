// A level of a chunk map made of the chunks themselves: how a page without Python answers a slider, a zoom, other dimensions.

const FOLD_CELLS = 96; // Cells along each side, at most.

/**
 * Bin chunks into the cells of a level, as `vzlab.inspection.level` does.
 *
 * `axes` are the dimensions down and across (null for none), `places` says by dimension which chunk is looked at along it,
 * and `region` which chunks down and across; all if not given.
 */
function foldLevel(columns, { axes, places, region = null }) {
  const { grid } = columns;
  const drawnGrid = axes.map((axis) => (axis === null ? 1 : grid[axis]));
  const part = region ?? drawnGrid.map((n) => [0, n]);
  const shape = part.map(([start, stop]) => Math.min(stop - start, FOLD_CELLS));
  const cellOf = part.map(([start, stop], side) => cellsOfPlaces(start, stop, shape[side]));
  const n = shape[0] * shape[1];
  const zeros = () => new Array(n).fill(0);
  const cells = {
    n_missing: zeros(),
    n_inline: zeros(),
    stored_bytes: zeros(),
    min_bytes: zeros(),
    max_bytes: zeros(),
    source: new Array(n).fill(-2),
    offset: new Array(n).fill(-1),
  };
  const raw = zeros();
  const filled = zeros();
  for (const [at, index] of chunksOf(grid, axes, part, places)) {
    const [row, column] = axes.map((axis, side) => cellOf[side][axis === null ? 0 : index[axis] - part[side][0]]);
    const cell = row * shape[1] + column;
    const source = valueAt(columns.source, at);
    if (source === -2) {
      cells.n_missing[cell] += 1;
      continue;
    }
    const length = valueAt(columns.length, at);
    cells.stored_bytes[cell] += length;
    cells.min_bytes[cell] = filled[cell] ? Math.min(cells.min_bytes[cell], length) : length;
    cells.max_bytes[cell] = Math.max(cells.max_bytes[cell], length);
    filled[cell] += 1;
    raw[cell] += rawBytes(columns, index);
    if (source === -3) {
      cells.n_inline[cell] += 1;
      continue;
    }
    const file = columns.positions[source];
    cells.source[cell] = [-2, file].includes(cells.source[cell]) ? file : -1;
    if (columns.positions.length > 1) continue;
    const offset = valueAt(columns.offset, at);
    cells.offset[cell] = cells.offset[cell] < 0 ? offset : Math.min(cells.offset[cell], offset);
  }
  cells.ratio = raw.map((bytes, cell) => (bytes ? cells.stored_bytes[cell] / bytes : null));
  const folded = grid.map((length, axis) => (axes.includes(axis) || axis in places ? 1 : length));
  return { region: part, shape, depth: folded.reduce((product, length) => product * length, 1), cells };
}

/** A column's value: one number stands for many that are the same. */
const valueAt = (column, at) => (Array.isArray(column) ? column[at] : column);

/** The cell of each place along a side: cell i begins at place floor(i n / cells). */
function cellsOfPlaces(start, stop, nCells) {
  const found = new Array(stop - start);
  for (let cell = 0; cell < nCells; cell++) {
    const [from, to] = [cell, cell + 1].map((i) => Math.floor((i * (stop - start)) / nCells));
    found.fill(cell, from, to);
  }
  return found;
}

/** Chunks of a part of the grid: position in the columns, and index. */
function* chunksOf(grid, axes, part, places) {
  const ranges = grid.map((n, axis) => {
    const side = axes.indexOf(axis);
    if (side >= 0) return part[side];
    return axis in places ? [places[axis], places[axis] + 1] : [0, n];
  });
  const index = ranges.map(([start]) => start);
  if (ranges.some(([start, stop]) => stop <= start)) return;
  for (;;) {
    yield [index.reduce((at, place, axis) => at * grid[axis] + place, 0), index];
    let axis = grid.length - 1;
    while (axis >= 0 && ++index[axis] === ranges[axis][1]) {
      index[axis] = ranges[axis][0];
      axis -= 1;
    }
    if (axis < 0) return;
  }
}

/** Bytes that a chunk decodes to: those at an edge that are padded count in full. */
function rawBytes({ starts, itemsize, chunk_bytes }, index) {
  if (chunk_bytes !== null) return chunk_bytes;
  return index.reduce((bytes, at, axis) => bytes * (starts[axis][at + 1] - starts[axis][at]), itemsize);
}
