// What needs no pixels of its own but the waterfall's: the way of a chunk, who differs in what, when requests ran.

const tint = (tones, tone, alpha) => rgb(tones[tone] ?? tones.plain, alpha);

/** Boxes with arrows between them. */
function pipelineDiagram(spec) {
  const box = ({ title, value, note, tone }) =>
    h(
      "li",
      { style: `border-color:${tint(spec.tones, tone, 0.6)}` },
      h("b", {}, title),
      value ? h("code", {}, value) : null,
      note ? h("small", {}, note) : null,
    );
  const el = h("ol", { class: "vzx-pipeline", "aria-label": "From bytes to numbers" });
  const update = (next) => ((spec = next), el.replaceChildren(...spec.boxes.map(box)));
  update(spec);
  return { el, update, redraw() {}, destroy() {} };
}

const MATRIX_ROWS = 60;

/** A table of variables against facets; a cell that is chosen tells its finding below. */
function matrixDiagram(spec, { onSelect }) {
  const el = h("div", { class: "vzx-matrix" });
  const said = h("div", { class: "vzx-said", "aria-live": "polite" });
  function tell(row, column, cell, button) {
    for (const each of el.querySelectorAll("[aria-pressed=true]")) each.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-pressed", "true");
    const holders = cell.holders.map(({ value, n_files }) => h("li", {}, `${count(n_files, "file")}: ${value}`));
    said.replaceChildren(
      h("p", {}, h("b", {}, cell.sentence)),
      h("ul", {}, holders),
      cell.fix ? h("pre", { tabindex: 0, role: "region", "aria-label": "What to do" }, cell.fix) : "",
    );
    onSelect({ variable: row, facet: column });
  }
  function cellOf(row, column, cell) {
    if (!cell) return "same";
    const style = `background:${tint(spec.tones, cell.tone, 0.24)}`;
    const click = (event) => tell(row, column, cell, event.currentTarget);
    return h("button", { type: "button", style, "aria-pressed": "false", click }, cell.severity);
  }

  function update(next) {
    spec = next;
    const n = spec.columns.length;
    const rows = spec.rows.slice(0, MATRIX_ROWS).map((row, i) => [
      row || "(the dataset)",
      ...spec.columns.map((column, j) => cellOf(row, column, spec.cells[i * n + j])),
    ]);
    const more = spec.rows.length - rows.length;
    const caption = spec.alt + (more > 0 ? `; ${count(more, "more variable")} not listed` : "");
    el.replaceChildren(
      dataTable({ caption, label: "Compatibility", head: [null, ...spec.columns], rows }),
      said,
    );
    const n_cells = spec.cells.filter(Boolean).length;
    said.replaceChildren(n_cells ? h("small", {}, "Press a cell that differs: who has what, and what to do.") : "");
  }

  update(spec);
  return { el, update, redraw() {}, destroy() {} };
}

const WATERFALL_ROWS = 100;

/** Colour and name of each kind of request, and which are of it. */
const REQUESTS = {
  repeat: [[208, 62, 62], "came before", (spec, i) => spec.is_repeat[i]],
  chunk: [[36, 128, 148], "chunks", (spec, i) => spec.is_data[i] && !spec.is_repeat[i]],
  metadata: [[140, 140, 150], "metadata", (spec, i) => !spec.is_data[i] && !spec.is_repeat[i]],
};

/** Requests as bars along time, in lanes where they overlap. */
function waterfallDiagram(spec, { onSelect }) {
  let [lanes, nLanes, end, kept] = [[], 1, 1, null];
  const stage = h("div", {
    class: "vzx-stage vzx-waterfall",
    role: "img",
    pointermove: point,
    click: (event) => ((kept = at(event)), point(event), onSelect(kept)),
    pointerleave: () => (status.textContent = kept ? words(kept.request) : ""),
  });
  const drawn = picture("vzx-canvas", draw);
  stage.append(drawn.canvas);
  const status = h("div", { class: "vzx-status" });
  const key = h("div");
  const table = foldedTable(tableOfRequests);
  const el = h("div", {}, stage, status, key, table.el);

  /** Give each request the first lane that is free when it begins. */
  function lay() {
    const free = [];
    lanes = spec.started_s.map((start, i) => {
      let lane = free.findIndex((end) => end <= start);
      if (lane < 0) lane = free.push(0) - 1;
      free[lane] = spec.ended_s[i];
      return lane;
    });
    nLanes = Math.max(free.length, 1);
    end = spec.ended_s.reduce((latest, each) => Math.max(latest, each), Math.max(spec.elapsed_s, 1e-6));
    stage.style.setProperty("--vzx-lanes", nLanes);
    stage.setAttribute("aria-label", spec.alt);
    const said = Object.values(REQUESTS).filter(([, , has]) => lanes.some((_, i) => has(spec, i)));
    const axis = [null, `0 to ${end < 1 ? ms(end) : `${end.toPrecision(3)} s`} from left to right`];
    key.replaceChildren(legend([...said, axis]));
    table.refresh();
  }

  const bar = (i, width, height) => {
    const tall = height / nLanes;
    const [x, stop] = [spec.started_s[i], spec.ended_s[i]].map((seconds) => (seconds / end) * width);
    return [x, lanes[i] * tall, Math.max(stop - x, 1.5), Math.max(tall - 1, 1)];
  };

  function draw(context, width, height) {
    for (let i = 0; i < lanes.length; i++) {
      const [colour] = Object.values(REQUESTS).find(([, , has]) => has(spec, i));
      context.fillStyle = rgb(colour);
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
  const ms = (seconds) => `${(1000 * seconds).toFixed(1)} ms`;
  const took = (i) => ms(spec.ended_s[i] - spec.started_s[i]);
  const words = (i) =>
    `${name(i)}, ${bytesInWords(spec.length[i])} at ${spec.offset[i].toLocaleString("en")}, ${took(i)}`;
  function point(event) {
    const found = at(event);
    status.textContent = found ? words(found.request) : "";
  }

  function tableOfRequests() {
    const shown = lanes.slice(0, WATERFALL_ROWS);
    const rows = shown.map((_, i) => [
      name(i),
      spec.offset[i].toLocaleString("en"),
      bytesInWords(spec.length[i]),
      ms(spec.started_s[i]),
      took(i),
    ]);
    const all = spec.n_requests.toLocaleString("en");
    const caption = spec.n_requests > shown.length ? `Requests, the first ${shown.length} of ${all}` : "Requests";
    const head = ["file", "offset", "bytes", "began", "took"];
    return dataTable({ caption, label: "Requests as a table", head, rows });
  }

  lay();
  return {
    el,
    update: (next) => ((spec = next), (kept = null), lay(), drawn.redraw()),
    redraw: drawn.redraw,
    destroy: drawn.destroy,
  };
}
