// The explorer: a tree, a page for each variable, linked maps, the selection, versions, and the code of what is seen.

/** Draw an explorer into an element; gives what takes it away again. */
function explore(container, host) {
  let spec = host.get("spec");
  let outline = host.get("outline");
  let map = null;
  let strips = null;
  let way = null;

  const title = h("div", { class: "vzx-title", role: "heading", "aria-level": 2 });
  const headline = h("div", { class: "vzx-dim" });
  const version = h("select", { change: () => host.set("version", version.value) });
  const versions = h("label", { class: "vzx-version" }, "Version ", version);
  const busy = h("div", { class: "vzx-busy", role: "status" });
  const commit = h("section", { "aria-label": "What this version changed" });
  const tree = variableTree(outline, { onOpen: (path) => host.set("variable", path) });
  const page = h("div", { class: "vzx-page" });
  const name = h("div", { class: "vzx-name" });
  const controls = h("div", { class: "vzx-controls" });
  const maps = h("div", { class: "vzx-maps" });
  const detail = detailPanel({ ask: host.ask, onClear: () => host.set("selection", null) });
  const pipeline = h("div");
  const facts = h("details", { class: "vzx-fold" });
  const about = h("details", { class: "vzx-fold" });
  const code = codePanel();
  page.append(name, controls, maps, detail.el, pipeline, facts, code.el, about);
  const side = h("details", { class: "vzx-side", open: true }, h("summary", {}, "Variables"), tree.el);
  const main = h("div", { class: "vzx-main-row" }, side, page);
  const root = h(
    "div",
    { class: "vzx" },
    h("style", {}, STYLE),
    h("div", { class: "vzx-head" }, h("div", {}, title, headline), versions),
    busy,
    commit,
    main,
  );
  container.append(root);
  // Where it is narrow the tree would fill the screen before anything is seen.
  const narrow = new ResizeObserver(([entry]) => {
    const isNarrow = entry.contentRect.width < 640;
    if (root.classList.contains("vzx-narrow") === isNarrow) return;
    root.classList.toggle("vzx-narrow", isNarrow);
    side.open = !isNarrow;
  });
  narrow.observe(root);

  function showOutline() {
    outline = host.get("outline");
    title.textContent = outline.title;
    headline.textContent = outline.headline;
    tree.update(outline);
    versions.hidden = !outline.versions?.length;
    version.replaceChildren(
      ...(outline.versions ?? []).map(({ group, options }) =>
        h(
          "optgroup",
          { label: group },
          options.map(({ value, text }) => h("option", { value, selected: value === outline.version }, text)),
        ),
      ),
    );
    commit.hidden = !outline.commit;
    commit.replaceChildren(ready(outline.commit));
    const found = outline.n_findings ? count(outline.n_findings, "finding") : "";
    const changed = outline.history ? "what changed between versions" : "";
    const parts = [outline.findings, outline.history].filter(Boolean).map((markup) => ready(markup));
    about.replaceChildren(h("summary", {}, h("b", {}, [found, changed].filter(Boolean).join(", and "))), ...parts);
    about.hidden = !parts.length;
    about.open ||= outline.is_serious;
    // Versions are a line that opens inside of this one.
    if (changed) for (const line of parts.at(-1).querySelectorAll("details")) line.open = true;
  }

  function showSpec() {
    spec = host.get("spec");
    tree.show(spec.variable);
    name.replaceChildren(
      h("div", { class: "vzx-title", role: "heading", "aria-level": 3 }, spec.variable),
      h("div", { class: "vzx-dim" }, spec.about),
      h(
        "div",
        {},
        spec.marks.map(({ text, title: tip }) => h("span", { class: "vzx-pill", title: tip }, text)),
      ),
    );
    showControls();
    showMaps();
    const boxes = spec.views.pipeline;
    if (way) way.update(boxes);
    else {
      way = pipelineDiagram(boxes);
      pipeline.append(h("div", { class: "vzx-label" }, "From bytes to numbers"), way.el);
    }
    facts.replaceChildren(h("summary", {}, h("b", {}, "Facts and attributes")), ready(spec.facts));
    showSelection();
    showDetail();
  }

  // -- colour and slices ----------------------------------------------------------------------------------------------

  let controlled = "";
  function showControls() {
    // Made anew only for another variable: a slider must stay while it is dragged.
    const axes = spec.views.chunks?.axes;
    const key = JSON.stringify([spec.variable, spec.sliders, spec.colours, spec.drawable]);
    if (key !== controlled) {
      controlled = key;
      const shown = axes ? [colourChoice(), ...axisChoices(), ...spec.sliders.map(slider)] : [];
      const { activeElement } = controls.getRootNode();
      const name = controls.contains(activeElement) ? activeElement.name : null;
      controls.replaceChildren(...shown);
      controls.querySelector(`[name="${name && CSS.escape(name)}"]`)?.focus();
    }
    const choice = controls.querySelector("select[name=colour]");
    if (choice) choice.value = host.get("colour");
    for (const [side, name] of ["down", "across"].entries()) {
      const select = controls.querySelector(`select[name=${name}]`);
      if (select) select.value = spec.dims[axes[side]];
    }
    const slices = host.get("slices") ?? {};
    controls.toggleAttribute("data-slice", Object.keys(slices).length > 0);
    for (const input of controls.querySelectorAll("input[type=range]")) {
      const position = slices[input.name];
      // What a person is just moving, or moved and was not told yet, stays.
      if (!input.matches(":active, [data-moved]")) input.value = position === undefined ? 0 : position + 1;
      saySlice(input);
    }
  }

  function colourChoice() {
    const select = h(
      "select",
      { name: "colour", change: () => host.set("colour", select.value) },
      spec.colours.map((by) => h("option", { value: by }, COLOURINGS[by])),
    );
    return h("label", {}, "Colour ", select);
  }

  /** Which two of several dimensions are drawn; one that is chosen twice takes the place of the other. */
  function axisChoices() {
    if (!spec.drawable?.length) return [];
    const drawn = () => spec.views.chunks.axes.map((axis) => spec.dims[axis]);
    return ["Down", "Across"].map((label, side) => {
      const choose = () => {
        const [before, other] = [drawn()[side], drawn()[1 - side]];
        const pair = select.value === other ? [select.value, before] : [select.value, other];
        host.set("drawn", side ? pair.reverse() : pair);
      };
      const options = spec.drawable.map((dim) => h("option", { value: dim }, dim));
      const select = h("select", { name: label.toLowerCase(), change: choose }, options);
      return h("label", {}, `${label} `, select);
    });
  }

  function slider({ dim, n }) {
    const change = settled(60, () => {
      input.removeAttribute("data-moved");
      const slices = { ...(host.get("slices") ?? {}) };
      if (Number(input.value)) slices[dim] = Number(input.value) - 1;
      else delete slices[dim];
      host.set("slices", slices);
    });
    const input = h("input", {
      type: "range",
      name: dim,
      min: 0,
      max: n,
      step: 1,
      value: 0,
      input: () => (input.setAttribute("data-moved", ""), saySlice(input), change()),
    });
    return h("label", { class: "vzx-slider" }, `${dim} `, input, h("output"));
  }

  function saySlice(input) {
    const { n } = spec.sliders.find(({ dim }) => dim === input.name);
    const at = Number(input.value);
    const words = at ? `chunk ${at - 1} of ${n}` : `all ${n} together`;
    input.setAttribute("aria-valuetext", words);
    input.parentElement.querySelector("output").textContent = words;
  }

  // -- maps that know each other --------------------------------------------------------------------------------------

  function showMaps() {
    const { chunks, bytes } = spec.views;
    if (chunks && map) map.update(chunks);
    else if (chunks) map = chunkMap(chunks, { onSelect: selectRegion, ask: host.ask, colour: host.get("colour") });
    else map = (map?.destroy(), null);
    const picks = {
      onPick: (row, at) => selectAt({ do: "byte", row, at }),
      onStep: (by) => selectAt({ do: "step", by }),
    };
    if (bytes && strips) strips.update(bytes);
    else if (bytes) strips = byteMap(bytes, picks);
    else strips = (strips?.destroy(), null);
    const block = (label, note, view) =>
      h("section", { "aria-label": label }, h("div", { class: "vzx-label" }, label, " ", h("small", {}, note)), view);
    maps.replaceChildren(
      map
        ? block("Chunks", spec.grid_words, map.el)
        : h("p", { class: "vzx-hint" }, spec.why_no_map, " ", onlyChunk()),
      strips ? block("Where they lie", bytesInWords(bytes.file_bytes), strips.el) : "",
    );
  }

  function onlyChunk() {
    if (!spec.grid || spec.grid.some((n) => n !== 1)) return "";
    return h("button", { type: "button", click: () => select(spec.grid.map(() => [0, 1])) }, "Select it");
  }

  const select = (chunks) => host.set("selection", { variable: spec.variable, chunks });

  /** A part of the drawn grid as chunks along every dimension. */
  function selectRegion(region) {
    if (!region) return host.set("selection", null);
    const slices = host.get("slices") ?? {};
    const [down, across] = spec.views.chunks.axes;
    select(
      spec.grid.map((n, axis) => {
        if (axis === across) return region[1];
        if (axis === down) return region[0];
        const position = slices[spec.dims[axis]];
        return position === undefined ? [0, n] : [position, position + 1];
      }),
    );
  }

  async function selectAt(question) {
    const answer = await host.ask(question);
    if (answer.chunks) select(answer.chunks);
    busy.textContent = answer.error ?? "";
  }

  function showSelection() {
    const selection = host.get("selection");
    const isHere = selection && selection.variable === spec.variable;
    const axes = spec.views.chunks?.axes;
    map?.select(isHere && axes ? axes.map((axis) => (axis === null ? [0, 1] : selection.chunks[axis])) : null);
    if (!isHere) strips?.mark([]);
  }

  function showDetail() {
    const found = host.get("detail");
    const isHere = found && found.variable === spec.variable;
    detail.show(isHere ? found : null);
    strips?.mark(isHere ? found.ranges : []);
  }

  // -- the whole ------------------------------------------------------------------------------------------------------

  const ends = [
    host.on("outline", showOutline),
    host.on("spec", showSpec),
    host.on("slices", showControls),
    host.on("colour", () => (showControls(), map?.recolour(host.get("colour")))),
    host.on("selection", showSelection),
    host.on("detail", showDetail),
    host.on("code", () => code.show(host.get("code"))),
    host.on("busy", () => (busy.textContent = host.get("busy"))),
    followTheme(root, () => (map?.redraw(), strips?.redraw())),
  ];
  showOutline();
  showSpec();
  code.show(host.get("code"));
  busy.textContent = host.get("busy") ?? "";
  return () => {
    ends.forEach((end) => end());
    narrow.disconnect();
    map?.destroy();
    strips?.destroy();
    detail.destroy();
    root.remove();
  };
}

/** The code of what is seen, to be copied. */
function codePanel() {
  const text = h("pre", { tabindex: 0, role: "region", "aria-label": "Python of what is seen" });
  const said = h("span", { class: "vzx-dim", role: "status" });
  const copy = h("button", { type: "button", click: copyIt }, "Copy as code");
  const el = h(
    "section",
    { class: "vzx-code", "aria-label": "As code" },
    h(
      "div",
      { class: "vzx-row" },
      h("div", { class: "vzx-label" }, "The same in Python"),
      h("div", {}, said, " ", copy),
    ),
    text,
  );

  async function copyIt() {
    try {
      await navigator.clipboard.writeText(text.textContent);
      said.textContent = "Copied";
    } catch {
      // A page from disk, or a frame, may not write to the clipboard: mark the text, and the keyboard can.
      const range = document.createRange();
      range.selectNodeContents(text);
      const marked = getSelection();
      marked.removeAllRanges();
      marked.addRange(range);
      said.textContent = "Press Ctrl+C";
    }
  }

  return { el, show: (code) => ((text.textContent = code ?? ""), (said.textContent = ""), (el.hidden = !code)) };
}
