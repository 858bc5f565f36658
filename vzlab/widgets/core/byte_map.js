// Files as strips, from their first byte to their last: this variable's chunks, those of others, and the rest.

const BYTE_MAP_KEYS =
  "Arrow keys move along the file, Enter selects the chunk there, n and p the next and the previous chunk in the file.";

/**
 * Draw a byte map.
 *
 * `onPick(row, at)` is told a place that a person chose, `at` as a fraction of the strip; `onStep(by)` that the chunk
 * after or before the chosen one is wanted, in the order of the file.
 */
function byteMap(spec, { onPick, onStep }) {
  let ranges = [];
  let cursor = [0, 0];
  let isFocused = false;
  const stage = h("div", {
    class: "vzx-stage vzx-strips",
    tabindex: 0,
    role: "application",
    "aria-roledescription": "byte map",
    ...OWN_KEYS,
    keydown: onKey,
    focus: () => ((isFocused = true), drawn.redraw()),
    blur: () => ((isFocused = false), drawn.redraw()),
    pointermove: (event) => (status.textContent = words(place(event))),
    pointerleave: () => (status.textContent = ""),
    click: (event) => pick(place(event)),
  });
  const drawn = picture("vzx-canvas", draw);
  stage.append(drawn.canvas);
  const status = h("div", { class: "vzx-status" });
  const heard = h("div", { class: "vzx-heard", "aria-live": "polite" });
  const key = h("div");
  const table = foldedTable(tableOfFiles);
  const el = h("div", { class: "vzx-bytes" }, stage, heard, status, key, table.el);
  describe();

  function describe() {
    const [rows] = spec.shape;
    stage.style.setProperty("--vzx-strips", rows);
    stage.setAttribute(
      "aria-label",
      `${spec.alt}. ${BYTE_MAP_KEYS}`,
    );
    const entries = [[spec.colours.own, `${spec.variable} ${bytesInWords(spec.own_bytes)}`]];
    if (spec.other_bytes) entries.push([spec.colours.others, `other variables ${bytesInWords(spec.other_bytes)}`]);
    if (spec.metadata) entries.push([spec.colours.metadata, `metadata ${bytesInWords(spec.metadata_bytes)}`]);
    entries.push([null, `${spec.metadata ? "gaps" : "metadata or gaps"} ${bytesInWords(spec.rest_bytes)}`]);
    key.replaceChildren(legend(entries));
    table.refresh();
  }

  function draw(context, width, height) {
    const [rows, bins] = spec.shape;
    const step = height / rows;
    const gap = rows === 1 ? 0 : Math.min(2, step / 5);
    for (let row = 0; row < rows; row++) {
      const [top, tall] = [row * step, step - gap];
      context.fillStyle = ink(stage, "--vzx-line");
      context.fillRect(0, top, width, tall);
      for (let bin = 0; bin < bins; bin++) {
        const [own, others] = [spec.own[row * bins + bin], spec.others[row * bins + bin]];
        const [x, across] = [(bin * width) / bins, width / bins + 0.5];
        // A sliver is drawn as one pixel: what is there must be seen.
        const mine = own > 0 ? Math.max(own * tall, 1) : 0;
        context.fillStyle = rgb(spec.colours.others, 0.65);
        if (others) context.fillRect(x, top + tall - mine - others * tall, across, others * tall);
        const head = spec.metadata?.[row * bins + bin] ? Math.max(spec.metadata[row * bins + bin] * tall, 1) : 0;
        context.fillStyle = rgb(spec.colours.metadata ?? spec.colours.others);
        if (head) context.fillRect(x, top + tall - mine - others * tall - head, across, head);
        context.fillStyle = rgb(spec.colours.own);
        if (mine) context.fillRect(x, top + tall - mine, across, mine);
      }
    }
    for (const [row, from, to] of ranges) {
      const across = Math.max((to - from) * width, 3);
      outline(
        context,
        [Math.min(from * width, width - across), row * step, across, step - gap],
        ink(stage),
        ink(stage, "--vzx-paper"),
        [],
      );
    }
    if (isFocused)
      outline(
        context,
        [(cursor[1] * width) / bins, cursor[0] * step, width / bins, step - gap],
        ink(stage),
        ink(stage, "--vzx-paper"),
        [3, 3],
      );
  }

  function place(event) {
    const bounds = drawn.canvas.getBoundingClientRect();
    const [width, height] = drawn.size;
    const [rows, bins] = spec.shape;
    const inside = (value, n) => Math.min(Math.max(Math.floor(value * n), 0), n - 1);
    return [inside((event.clientY - bounds.top) / height, rows), inside((event.clientX - bounds.left) / width, bins)];
  }

  function words([row, bin]) {
    const [, bins] = spec.shape;
    const [own, others] = [spec.own[row * bins + bin], spec.others[row * bins + bin]];
    const where = `${fileOf(spec.rows[row])}, ${percent(bin / bins)} to ${percent((bin + 1) / bins)}`;
    return `${where}: ${percent(own)} ${spec.variable}, ${percent(others)} other variables`;
  }

  function pick(at) {
    cursor = at;
    drawn.redraw();
    onPick(at[0], (at[1] + 0.5) / spec.shape[1]);
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [rows, bins] = spec.shape;
    const [row, bin] = cursor;
    const to = {
      ArrowLeft: [row, bin - 1],
      ArrowRight: [row, bin + 1],
      ArrowUp: [row - 1, bin],
      ArrowDown: [row + 1, bin],
      Home: [row, 0],
      End: [row, bins - 1],
    }[event.key];
    if (to) {
      cursor = [Math.min(Math.max(to[0], 0), rows - 1), Math.min(Math.max(to[1], 0), bins - 1)];
      heard.textContent = status.textContent = words(cursor);
      drawn.redraw();
    } else if (event.key === "Enter" || event.key === " ") pick(cursor);
    else if (event.key === "n" || event.key === "p") onStep(event.key === "n" ? 1 : -1);
    else return;
    event.preventDefault();
  }

  /** What fills each file. */
  function tableOfFiles() {
    const [, bins] = spec.shape;
    const mean = (values) => percent(values.reduce((sum, value) => sum + value, 0) / bins);
    const rows = spec.rows.map((row, i) => {
      const [own, others] = [spec.own, spec.others].map((values) => values.slice(i * bins, (i + 1) * bins));
      const [first, last] = [own.findIndex(Boolean), own.findLastIndex(Boolean)];
      const between = first < 0 ? "" : `${percent(first / bins)} to ${percent((last + 1) / bins)}`;
      return [fileOf(row), mean(own), mean(others), between];
    });
    const head = ["file", spec.variable, "other variables", "between"];
    return dataTable({ caption: "What fills each file", label: "The byte map as a table", head, rows });
  }

  const fileOf = ({ source, n_sources }) => (n_sources === 1 ? source : `${source} and ${n_sources - 1} more`);

  return {
    el,
    update(next) {
      spec = next;
      ranges = [];
      cursor = [0, 0];
      describe();
      drawn.redraw();
    },
    /** Mark stretches: [row, from, to] as fractions of its strip. */
    mark(next) {
      ranges = next ?? [];
      drawn.redraw();
    },
    redraw: drawn.redraw,
    destroy: drawn.destroy,
  };
}

/** A line around a box that shows on any colour. */
function outline(context, [x, y, width, height], strong, paper, dash) {
  context.setLineDash(dash);
  context.lineWidth = 4;
  context.strokeStyle = paper;
  context.strokeRect(x, y, width, height);
  context.lineWidth = 2;
  context.strokeStyle = strong;
  context.strokeRect(x, y, width, height);
  context.setLineDash([]);
}
