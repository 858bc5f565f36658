// The door: a spec of any kind drawn into an element, and the explorer as notebooks and apps take it.

const VIEWS = {
  "chunk map": chunkMap,
  "byte map": (spec, { onSelect }) => byteMap(spec, { onPick: (row, at) => onSelect({ row, at }), onStep() {} }),
  pipeline: pipelineDiagram,
  matrix: matrixDiagram,
  waterfall: waterfallDiagram,
};

/** Draw a spec; gives `{update(spec), select(selection), destroy()}`. */
function mount(el, spec, onSelect = () => {}, host = null) {
  const make = VIEWS[spec.kind];
  if (!make) throw new Error(`Found a spec of kind ${spec.kind}; expected one of ${Object.keys(VIEWS).join(", ")}`);
  const view = make(spec, { onSelect, ask: host?.ask ?? null });
  const root = h("div", { class: "vzx" }, h("style", {}, STYLE), view.el);
  el.append(root);
  const end = followTheme(root, () => view.redraw());
  return {
    update: (next) => view.update(next),
    select: (selection) => view.select?.(selection),
    destroy() {
      end();
      view.destroy();
      root.remove();
    },
  };
}

/** An explorer of a model, in the form of any other view. */
function explorerOf(model, el) {
  const host = modelHost(model);
  const end = explore(el, host);
  return { update() {}, destroy: () => (end(), host.close()) };
}

/** As anywidget and Panel take it: what the model's spec says, which may come later, or become another one. */
function render({ model, el }) {
  let view = null;
  let kind = null;
  const onSelect = (found) => {
    model.set("chosen", found);
    model.save_changes();
  };
  const show = () => {
    const spec = model.get("spec");
    if (view && spec.kind === kind) return view.update(spec);
    view?.destroy();
    kind = spec.kind;
    view = kind === "explorer" ? explorerOf(model, el) : kind ? mount(el, spec, onSelect) : null;
  };
  show();
  model.on("change:spec", show);
  return () => {
    model.off("change:spec", show);
    view?.destroy();
  };
}

export { mount, explore, pageHost };
export default { render };
