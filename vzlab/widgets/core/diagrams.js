// What needs no pixels of its own but the waterfall's: the way of a chunk, who differs in what, when requests ran.

const tint = (tones, tone, alpha) => rgb(tones[tone] ?? tones.plain, alpha);

/** Boxes with arrows between them. */
function pipelineDiagram(spec) {
  const box = ({ title, value, note, tone }) =>
    h("li", { style: `border-color:${tint(spec.tones, tone, 0.6)}` }, h("b", {}, title), value ? h("code", {}, value) : null, note ? h("small", {}, note) : null);
  const el = h("ol", { class: "vzx-pipeline", "aria-label": "From bytes to numbers" });
  const update = (next) => ((spec = next), el.replaceChildren(...spec.boxes.map(box)));
  update(spec);
  return { el, update, redraw() {}, destroy() {} };
}

/** A table of variables against facets; a cell that is chosen tells its finding below. */
function matrixDiagram(spec, { onSelect }) {
  const el = h("div", { class: "vzx-matrix" });
  const said = h("div", { class: "vzx-said", "aria-live": "polite" });
  function tell(row, column, cell) {
    const holders = cell.holders.map(({ value, n_files }) => h("li", {}, `${count(n_files, "file")}: ${value}`));
    said.replaceChildren(h("p", {}, h("b", {}, cell.sentence)), h("ul", {}, holders), cell.fix ? h("p", {}, cell.fix) : "");
    onSelect({ variable: row, facet: column });
  }
  function update(next) {
    spec = next;
    const head = h("tr", {}, h("td"), spec.columns.map((title) => h("th", { scope: "col" }, title)));
    const body = spec.rows.map((row, i) =>
      h("tr", {}, h("th", { scope: "row" }, row || "(the dataset)"), spec.columns.map((column, j) => {
        const cell = spec.cells[i * spec.columns.length + j];
        if (!cell) return h("td", {}, "same");
        const open = h("button", { type: "button", click: () => tell(row, column, cell) }, cell.severity);
        return h("td", { style: `background:${tint(spec.tones, cell.tone, 0.24)}` }, open);
      })),
    );
    const grid = h("table", {}, h("caption", {}, spec.alt), h("thead", {}, head), h("tbody", {}, body));
    el.replaceChildren(h("div", { class: "vzx-scroll", tabindex: 0, role: "region", "aria-label": "Compatibility" }, grid), said);
  }
  update(spec);
  return { el, update, redraw() {}, destroy() {} };
}

const WATERFALL_ROWS = 100;

/** Requests as bars along time, in lanes where they overlap. */
function waterfallDiagram(spec, { onSelect }) {
  let lanes = [];
  const stage = h("div", { class: "vzx-stage vzx-waterfall", role: "img", pointermove: point, click: (event) => onSelect(at(event)), pointerleave: () => (status.textContent = "") });
  const drawn = picture("vzx-canvas", draw);
  stage.append(drawn.canvas);
  const status = h("div", { class: "vzx-status" });
  const table = h("details", { class: "vzx-table", toggle: fillTable }, h("summary", {}, "As a table"));
  const el = h("div", {}, stage, status, h("div", {}, legend([[[36, 128, 148], "chunks"], [[140, 140, 150], "metadata"], [[208, 62, 62], "came before"]])), table);

  /** Give each request the first lane that is free when it begins. */
  function lay() {
    const free = [];
    lanes = spec.started_s.map((start, i) => {
      let lane = free.findIndex((end) => end <= start);
      if (lane < 0) lane = free.push(0) - 1;
      free[lane] = spec.ended_s[i];
      return lane;
    });
    stage.style.setProperty("--vzx-lanes", Math.max(free.length, 1));
    stage.setAttribute("aria-label", spec.alt);
    fillTable();
  }

  const end = () => Math.max(spec.elapsed_s, ...spec.ended_s.slice(-1), 1e-6);
  const bar = (i, width, height) => {
    const tall = height / (Math.max(...lanes, 0) + 1);
    const x = (spec.started_s[i] / end()) * width;
    return [x, lanes[i] * tall, Math.max(((spec.ended_s[i] - spec.started_s[i]) / end()) * width, 1.5), Math.max(tall - 1, 1)];
  };

  function draw(context, width, height) {
    for (let i = 0; i < lanes.length; i++) {
      context.fillStyle = rgb(spec.is_repeat[i] ? [208, 62, 62] : spec.is_data[i] ? [36, 128, 148] : [140, 140, 150]);
      context.fillRect(...bar(i, width, height));
    }
  }

  function at(event) {
    const bounds = drawn.canvas.getBoundingClientRect();
    const [px, py] = [event.clientX - bounds.left, event.clientY - bounds.top];
    const found = lanes.findIndex((_, i) => {
      const [x, y, width, tall] = bar(i, ...drawn.size);
      return x - 2 <= px && px <= x + width + 2 && y <= py && py <= y + tall + 1;
    });
    return found < 0 ? null : { request: found };
  }

  const name = (i) => spec.urls[spec.file[i]]?.split("/").at(-1) ?? "";
  const words = (i) => `${name(i)}, ${bytesInWords(spec.length[i])} at ${spec.offset[i].toLocaleString("en")}, ${(1000 * (spec.ended_s[i] - spec.started_s[i])).toFixed(1)} ms`;
  function point(event) {
    const found = at(event);
    status.textContent = found ? words(found.request) : "";
  }

  function fillTable() {
    if (!table.open) return;
    const cells = (i) => [name(i), spec.offset[i].toLocaleString("en"), bytesInWords(spec.length[i]), `${(1000 * spec.started_s[i]).toFixed(1)} ms`, `${(1000 * (spec.ended_s[i] - spec.started_s[i])).toFixed(1)} ms`];
    const shown = lanes.slice(0, WATERFALL_ROWS);
    const head = h("tr", {}, ["file", "offset", "bytes", "began", "took"].map((title) => h("th", { scope: "col" }, title)));
    const body = shown.map((_, i) => h("tr", {}, cells(i).map((text) => h("td", {}, text))));
    const more = spec.n_requests > shown.length ? `, the first ${shown.length} of ${spec.n_requests.toLocaleString("en")}` : "";
    const grid = h("table", {}, h("caption", {}, `Requests${more}`), h("thead", {}, head), h("tbody", {}, body));
    table.replaceChildren(table.firstElementChild, h("div", { class: "vzx-scroll", tabindex: 0, role: "region", "aria-label": "Requests as a table" }, grid));
  }

  lay();
  return { el, update: (next) => ((spec = next), lay(), drawn.redraw()), redraw: drawn.redraw, destroy: drawn.destroy };
}
