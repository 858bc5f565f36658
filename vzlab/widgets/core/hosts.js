// Who answers: a model with Python behind it, or a page that holds all it can tell.

/** A host of a model as anywidget and Panel give it. */
function modelHost(model) {
  const own = Math.random().toString(36).slice(2);
  const waiting = new Map();
  let n = 0;
  const answered = () => {
    const answer = model.get("answer");
    waiting.get(answer?.id)?.(answer);
    waiting.delete(answer?.id);
  };
  model.on("change:answer", answered);
  return {
    get: (name) => model.get(name),
    set(name, value) {
      model.set(name, value);
      model.save_changes();
    },
    on(name, callback) {
      model.on(`change:${name}`, callback);
      return () => model.off(`change:${name}`, callback);
    },
    ask(question) {
      const id = `${own}-${++n}`;
      const answer = new Promise((resolve) => waiting.set(id, resolve));
      model.set("request", { id, ...question });
      model.save_changes();
      return answer;
    },
    close: () => model.off("change:answer", answered),
  };
}

/** A host of a page without Python: what it was given is all that it knows. */
function pageHost(data) {
  const values = { outline: data.outline, colour: null, slices: {}, drawn: [], selection: null, detail: null, busy: "" };
  const listeners = new Map();
  const emit = (...names) => names.forEach((name) => (listeners.get(name) ?? []).forEach((callback) => callback()));
  open(data.variable);

  function open(path) {
    const page = data.pages[path];
    Object.assign(values, {
      variable: path,
      spec: page.spec,
      code: page.code,
      colour: page.spec.colours[0],
      slices: {},
      drawn: [],
      selection: null,
      detail: null,
    });
  }

  /** Show what was seen when the page was made. */
  function begin({ colour, slices, drawn, selection }) {
    if (colour) values.colour = colour;
    Object.assign(values, { slices: slices ?? {}, drawn: drawn ?? [] });
    if (Object.keys(values.slices).length || values.drawn.length) redraw();
    if (selection) Object.assign(values, { selection, detail: describe(selection) });
    values.code = code();
  }

  /** The chunk map along the dimensions that are drawn, at the places of the others that were chosen. */
  function redraw() {
    const page = data.pages[values.variable];
    const { grid, dims, name, views } = page.spec;
    const axes = values.drawn.length ? values.drawn.map((dim) => dims.indexOf(dim)) : views.chunks.axes;
    const places = placesOf(dims);
    const level = foldLevel(page.columns, { axes, places });
    const others = dims.map((dim, axis) => [dim, grid[axis], axis]).filter(([, n, axis]) => n > 1 && !axes.includes(axis));
    const sliders = others.map(([dim, n]) => ({ dim, n }));
    const folded = others.filter(([, , axis]) => !(axis in places)).map(([dim, n]) => [dim, n]);
    const n_missing = level.cells.n_missing.reduce((sum, n) => sum + n, 0);
    const offsets = level.cells.offset.filter((offset) => offset >= 0);
    const n = axes.reduce((product, axis) => product * (axis === null ? 1 : grid[axis]), level.depth);
    const where = Object.entries(values.slices).map(([dim, at]) => ` at ${dim} ${at}`);
    const stored = bytesInWords(level.cells.stored_bytes.reduce((sum, bytes) => sum + bytes, 0));
    const chunks = {
      ...views.chunks,
      ...level,
      axes,
      folded,
      n_missing,
      dims: axes.map((axis) => (axis === null ? "" : dims[axis])),
      grid_shape: axes.map((axis) => (axis === null ? 1 : grid[axis])),
      offset_range: offsets.length ? [Math.min(...offsets), Math.max(...offsets)] : null,
      alt: `${name}${where.join(",")}: ${count(n, "chunk")}, ${stored}, ${n_missing || "none"} never written`,
    };
    values.spec = { ...page.spec, sliders, views: { ...views, chunks } };
  }

  /** By axis, the chunk that is looked at along it. */
  const placesOf = (dims) =>
    Object.fromEntries(Object.entries(values.slices).map(([dim, at]) => [dims.indexOf(dim), at]));

  /** The chunks of a selection, as positions in the columns. */
  function positions({ grid }, chunks) {
    return chunks.reduce(
      (found, [start, stop], axis) =>
        found.flatMap((at) => Array.from({ length: stop - start }, (_, i) => at * grid[axis] + start + i)),
      [0],
    );
  }

  /** The program of the page, with what was chosen since. */
  function code() {
    const page = data.pages[values.variable];
    const { colour, slices, drawn, selection, spec } = values;
    const more = [
      colour === spec.colours[0] ? "" : `colour=${JSON.stringify(colour)}`,
      Object.keys(slices).length ? `slices=${JSON.stringify(slices)}` : "",
      drawn.length ? `drawn=${JSON.stringify(drawn)}` : "",
      selection ? `selection=${JSON.stringify(selection.chunks)}` : "",
    ].filter(Boolean);
    const call = page.code.trimEnd().slice(0, -1);
    const written = !more.length
      ? `${call})`
      : call.endsWith("\n")
        ? `${call}    ${more.join(",\n    ")},\n)`
        : `${call}, ${more.join(", ")})`;
    if (!selection || !page.columns) return `${written}\n`;
    const parts = selection.chunks.map(
      ([start, stop], axis) => `slice(${page.columns.starts[axis][start]}, ${page.columns.starts[axis][stop]})`,
    );
    return `${written}\n${page.cost.replace("SELECTION", `(${parts.join(", ")}${parts.length === 1 ? "," : ""})`)}\n`;
  }

  /** Row, start and end of a chunk in the strips. */
  function stretch(columns, at) {
    const [row, size] = columns.strips[valueAt(columns.source, at)] ?? [null, 1];
    const offset = valueAt(columns.offset, at);
    return row === null ? null : [row, offset / size, (offset + valueAt(columns.length, at)) / size];
  }

  function describe(selection) {
    const { columns } = data.pages[values.variable];
    const where = values.spec.dims.map((dim, axis) => `${dim} ${span(selection.chunks[axis])}`).join(", ");
    const n = selection.chunks.reduce((product, [start, stop]) => product * (stop - start), 1);
    const title = `${values.spec.name}, ${n === 1 ? "chunk" : count(n, "chunk")}${where && `: ${where}`}`;
    if (!columns)
      return {
        variable: values.variable,
        title,
        html: "<p>The page holds the maps of this variable, and not each of its chunks: explore it in Python.</p>",
        ranges: [],
      };
    const found = positions(columns, selection.chunks);
    const virtual = found.filter((at) => valueAt(columns.source, at) >= 0);
    const stored = virtual.reduce((sum, at) => sum + valueAt(columns.length, at), 0);
    const files = new Set(virtual.map((at) => valueAt(columns.source, at)));
    const rows = found.slice(0, 50).map((at) => {
      const index = columns.grid.reduceRight(
        ([rest, parts], n) => [Math.floor(rest / n), [rest % n, ...parts]],
        [at, []],
      )[1];
      const source = valueAt(columns.source, at);
      const place =
        source >= 0
          ? [
              columns.names[source] ?? `file ${source}`,
              valueAt(columns.offset, at).toLocaleString("en"),
              bytesInWords(valueAt(columns.length, at)),
            ]
          : [source === -2 ? "never written" : "held with the references", "", ""];
      return h(
        "tr",
        {},
        h("th", { scope: "row" }, `(${index.join(", ")})`),
        place.map((text) => h("td", {}, text)),
      );
    });
    const head = h(
      "tr",
      {},
      ["chunk", "file", "offset", "bytes"].map((text) => h("th", { scope: "col" }, text)),
    );
    const table = h("table", {}, h("thead", {}, head), h("tbody", {}, rows));
    const more = found.length > 50 ? `<p>and ${count(found.length - 50, "more chunk")}</p>` : "";
    const takes = `${count(virtual.length, "request")} and ${bytesInWords(stored)} from ${count(files.size, "file")}`;
    const { traced } = data.pages[values.variable];
    const isFollowed = traced?.chunk.every((at, axis) => selection.chunks[axis][0] <= at && at < selection.chunks[axis][1]);
    const sentence = `Reading ${found.length === 1 ? "it" : "them"} takes ${takes}.`;
    return {
      variable: values.variable,
      title,
      html: `<p>${sentence}</p><div class="vzx-scroll" tabindex="0">${table.outerHTML}</div>${more}`,
      followed: isFollowed ? traced.html : followIt(columns, selection.chunks),
      ranges: virtual
        .slice(0, 500)
        .map((at) => stretch(columns, at))
        .filter(Boolean),
    };
  }

  /** How Python follows a value: the page has no bytes. */
  function followIt(columns, chunks) {
    const index = chunks.map(([at], axis) => Math.floor((columns.starts[axis][at] + columns.starts[axis][at + 1]) / 2));
    const call = data.pages[values.variable].trace.replace("INDEX", `(${index.join(", ")}${index.length === 1 ? "," : ""})`);
    const words = "The page holds no bytes. Python follows a value of this chunk to its number:";
    return h("div", {}, h("p", {}, words), h("pre", {}, call)).innerHTML;
  }

  /** A chunk's place in the grid, as a selection. */
  const chosen = (columns, at) =>
    columns.grid.reduceRight(
      ([rest, parts], n) => [Math.floor(rest / n), [[rest % n, (rest % n) + 1], ...parts]],
      [at, []],
    )[1];

  function answer(question) {
    const { columns } = data.pages[values.variable];
    if (!columns) return { error: "The page does not hold each chunk of this variable: explore it in Python." };
    if (question.do === "level") {
      const { views, dims } = values.spec;
      const how = { axes: views.chunks.axes, places: placesOf(dims), region: question.region };
      return { level: foldLevel(columns, how) };
    }
    const all = Array.from({ length: columns.grid.reduce((product, n) => product * n, 1) }, (_, at) => at);
    const placed = all
      .map((at) => [at, valueAt(columns.source, at) >= 0 ? stretch(columns, at) : null])
      .filter(([, found]) => found);
    if (question.do === "byte") {
      const distance = ([, [row, from, to]]) =>
        row !== question.row
          ? Infinity
          : from <= question.at && question.at < to
            ? 0
            : Math.min(Math.abs(from - question.at), Math.abs(to - question.at));
      const nearest = placed.reduce((best, each) => (distance(each) < distance(best) ? each : best), placed[0]);
      return nearest ? { chunks: chosen(columns, nearest[0]) } : {};
    }
    if (question.do === "step" && placed.length) {
      placed.sort(([, one], [, other]) => one[0] - other[0] || one[1] - other[1]);
      const [current] = values.selection ? positions(columns, values.selection.chunks) : [-1];
      const at = placed.findIndex(([each]) => each === current);
      return { chunks: chosen(columns, placed[Math.min(Math.max(at + question.by, 0), placed.length - 1)][0]) };
    }
    return {};
  }

  begin(data.seen ?? {});
  return {
    get: (name) => values[name],
    set(name, value) {
      if (name === "variable") {
        open(value);
        emit("variable", "colour", "slices", "drawn", "selection", "detail", "code", "spec");
      } else if (name === "slices") {
        values.slices = value;
        redraw();
        emit("slices", "spec");
        if (values.selection) {
          // The selection goes along: the same place of another slice.
          const moved = values.selection.chunks.map((part, axis) => {
            const at = value[values.spec.dims[axis]];
            return at === undefined ? part : [at, at + 1];
          });
          Object.assign(values, { selection: { variable: values.variable, chunks: moved } });
          values.detail = describe(values.selection);
          emit("selection", "detail");
        }
      } else if (name === "drawn") {
        // Along a dimension that is drawn, no place is chosen.
        const kept = Object.entries(values.slices).filter(([dim]) => !value.includes(dim));
        Object.assign(values, { drawn: value, slices: Object.fromEntries(kept) });
        redraw();
        emit("drawn", "slices", "spec");
      } else if (name === "selection") {
        Object.assign(values, { selection: value, detail: value && describe(value) });
        emit("selection", "detail");
      } else {
        values[name] = value;
        emit(name);
      }
      values.code = code();
      emit("code");
    },
    on(name, callback) {
      listeners.set(name, [...(listeners.get(name) ?? []), callback]);
      return () =>
        listeners.set(
          name,
          listeners.get(name).filter((each) => each !== callback),
        );
    },
    ask: async (question) => answer(question),
    close() {},
  };
}
