// Tables behind pictures: what is seen as colours is here to be heard, and chosen without a pointer.

/** Make a table in a box of its own that scrolls. A row begins with its title; null there makes it a plain cell. */
function dataTable({ caption, label, head, rows }) {
  const title = (text, scope) => (text === null ? h("td") : h("th", { scope }, text));
  const body = rows.map(([first, ...cells]) =>
    h(
      "tr",
      {},
      title(first, "row"),
      cells.map((cell) => h("td", {}, cell)),
    ),
  );
  const top = h(
    "tr",
    {},
    head.map((text) => title(text, "col")),
  );
  const grid = h("table", {}, h("caption", {}, caption), h("thead", {}, top), h("tbody", {}, body));
  return h("div", { class: "vzx-scroll", tabindex: 0, role: "region", "aria-label": label }, grid);
}

/** A line that opens to a table, made when it is opened and whenever `refresh()` is called while it is. */
function foldedTable(make) {
  const refresh = () => {
    if (el.open) el.replaceChildren(el.firstElementChild, make());
  };
  const el = h("details", { class: "vzx-table", toggle: refresh }, h("summary", {}, "As a table"));
  return { el, refresh };
}

const TABLE_CELLS = 12;

/** Chunks in view as a table of at most 12 by 12 cells, each of which `choose(region)` is told when it is pressed. */
function chunkTable(level, view, dims, choose) {
  const [down, across] = dims;
  const [rows, columns] = [0, 1].map((axis) => {
    const [first, last] = [level.find(axis, view[axis][0]), level.find(axis, view[axis][1] - 1e-6)];
    const n = Math.min(last + 1 - first, TABLE_CELLS);
    return Array.from({ length: n + 1 }, (_, i) => first + Math.floor((i * (last + 1 - first)) / n));
  });
  const chunks = (axis, edges, i) => [level.edge(axis, edges[i]), level.edge(axis, edges[i + 1])];
  const each = (edges, make) => edges.slice(0, -1).map((_, i) => make(i));
  const cell = (i, j) => {
    const region = [chunks(0, rows, i), chunks(1, columns, j)];
    return h("button", { type: "button", click: () => choose(region) }, cellsInWords(level, rows, i, columns, j));
  };
  return dataTable({
    caption: "Stored bytes by place in the chunk grid",
    label: "The chunk map as a table",
    head: [null, ...each(columns, (i) => `${across} ${span(chunks(1, columns, i))}`)],
    rows: each(rows, (i) => [
      down ? `${down} ${span(chunks(0, rows, i))}` : "chunks",
      ...each(columns, (j) => cell(i, j)),
    ]),
  });
}

/** Say what some rows and columns of cells hold together. */
function cellsInWords(level, rows, i, columns, j) {
  let [stored, missing, n] = [0, 0, 0];
  for (let row = rows[i]; row < rows[i + 1]; row++)
    for (let column = columns[j]; column < columns[j + 1]; column++) {
      const cell = row * level.shape[1] + column;
      stored += level.at("stored_bytes", cell);
      missing += level.at("n_missing", cell);
      n += level.count(cell);
    }
  if (missing === n) return "never written";
  const some = bytesInWords(stored) + (missing ? `, ${missing.toLocaleString("en")} missing` : "");
  return n === 1 ? some : `${count(n, "chunk")}, ${some}`;
}
