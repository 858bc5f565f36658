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
  const values = { outline: data.outline, colour: null, slices: {}, selection: null, detail: null, busy: "" };
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
      selection: null,
      detail: null,
    });
  }

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
    const { colour, slices, selection, spec } = values;
    const more = [
      colour === spec.colours[0] ? "" : `colour=${JSON.stringify(colour)}`,
      Object.keys(slices).length ? `slices=${JSON.stringify(slices)}` : "",
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

  const read = (column, at) => (Array.isArray(column) ? column[at] : column);

  /** Row, start and end of a chunk in the strips. */
  function stretch(columns, at) {
    const [row, size] = columns.strips[read(columns.source, at)] ?? [null, 1];
    const offset = read(columns.offset, at);
    return row === null ? null : [row, offset / size, (offset + read(columns.length, at)) / size];
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
    const virtual = found.filter((at) => read(columns.source, at) >= 0);
    const stored = virtual.reduce((sum, at) => sum + read(columns.length, at), 0);
    const files = new Set(virtual.map((at) => read(columns.source, at)));
    const rows = found.slice(0, 50).map((at) => {
      const index = columns.grid.reduceRight(
        ([rest, parts], n) => [Math.floor(rest / n), [rest % n, ...parts]],
        [at, []],
      )[1];
      const source = read(columns.source, at);
      const place =
        source >= 0
          ? [
              columns.names[source] ?? `file ${source}`,
              read(columns.offset, at).toLocaleString("en"),
              bytesInWords(read(columns.length, at)),
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
    const sentence = `Reading ${found.length === 1 ? "it" : "them"} takes ${takes}.`;
    return {
      variable: values.variable,
      title,
      html: `<p>${sentence}</p><div class="vzx-scroll" tabindex="0">${table.outerHTML}</div>${more}`,
      ranges: virtual
        .slice(0, 500)
        .map((at) => stretch(columns, at))
        .filter(Boolean),
    };
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
    const all = Array.from({ length: columns.grid.reduce((product, n) => product * n, 1) }, (_, at) => at);
    const placed = all
      .map((at) => [at, read(columns.source, at) >= 0 ? stretch(columns, at) : null])
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

  return {
    get: (name) => values[name],
    set(name, value) {
      if (name === "variable") {
        open(value);
        emit("variable", "colour", "slices", "selection", "detail", "code", "spec");
      } else if (name === "slices") {
        const [dim, at] = Object.entries(value)[0] ?? [];
        const page = data.pages[values.variable];
        const chunks = dim === undefined ? page.spec.views.chunks : page.levels[at];
        Object.assign(values, { slices: value, spec: { ...page.spec, views: { ...page.spec.views, chunks } } });
        emit("slices", "spec");
        if (values.selection) {
          // The selection goes along: the same place of another slice.
          const moved = values.selection.chunks.map((part, axis) =>
            page.spec.dims[axis] === dim ? [at, at + 1] : part,
          );
          Object.assign(values, { selection: { variable: values.variable, chunks: moved } });
          values.detail = describe(values.selection);
          emit("selection", "detail");
        }
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
