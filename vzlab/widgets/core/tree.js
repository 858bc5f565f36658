// Groups and variables as lines that open, with a search.

/** Draw the tree of an outline; `onOpen(path)` is told which variable is wanted. */
function variableTree(outline, { onOpen }) {
  const label = uniqueId("search");
  const search = h("input", {
    id: label,
    type: "search",
    placeholder: "Search variables",
    "aria-label": "Search variables, dimensions, types, attributes",
    input: () => filter(),
    keydown: onSearchKey,
  });
  const found = h("div", { class: "vzx-heard", "aria-live": "polite" });
  const list = h("div", { class: "vzx-list", keydown: onKey });
  const el = h("nav", { class: "vzx-tree", "aria-label": "Variables" }, search, found, list);
  let buttons = new Map();
  let current = null;

  function build() {
    buttons = new Map();
    list.replaceChildren(
      branch(outline.tree),
      outline.n_hidden
        ? h("p", {}, `and ${count(outline.n_hidden, "more variable")}: give group= to see those of one group`)
        : "",
    );
  }

  function branch(nodes) {
    return h(
      "ul",
      {},
      nodes.map((node) => {
        if (node.groups) {
          const inside = h(
            "details",
            { open: true },
            h("summary", {}, h("b", {}, `${node.name}/`), " ", h("small", {}, node.about)),
            branch([...node.variables, ...node.groups]),
          );
          return h("li", { "data-words": words(node) }, inside);
        }
        const button = h(
          "button",
          {
            type: "button",
            tabindex: -1,
            disabled: node.reason ? true : null,
            title: node.reason,
            click: () => onOpen(node.path),
          },
          h("span", {}, node.name),
          h("small", {}, node.about),
        );
        if (!node.reason) buttons.set(node.path, button);
        return h("li", { "data-words": words(node) }, button);
      }),
    );
  }

  const words = (node) => `${node.path} ${node.about} ${node.words ?? ""}`.toLowerCase();

  function filter() {
    const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const visit = (item) => {
      const inside = [...item.querySelectorAll(":scope > details > ul > li")];
      const here = wanted.every((word) => item.dataset.words.includes(word));
      // Of a group that matches all is shown; else what in it matches.
      const below = inside
        .map((child) => (here && inside.length ? (reveal(child), true) : visit(child)))
        .some(Boolean);
      item.hidden = !(here || below);
      return !item.hidden;
    };
    const reveal = (item) => [item, ...item.querySelectorAll("li")].forEach((each) => (each.hidden = false));
    [...list.querySelectorAll(":scope > ul > li")].forEach(visit);
    found.textContent = wanted.length ? count(visible().length, "variable") + " found" : "";
    stops();
  }

  const visible = () => [...buttons.values()].filter((button) => button.checkVisibility());

  /** One stop of the tab key for all of it: the arrow keys go on from there. */
  function stops() {
    const shown = visible();
    const here = shown.find((button) => button === buttons.get(current)) ?? shown[0];
    for (const button of buttons.values()) button.tabIndex = button === here ? 0 : -1;
  }

  function onKey(event) {
    const shown = visible();
    const at = shown.indexOf(document.activeElement?.shadowRoot?.activeElement ?? el.getRootNode().activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    shown[Math.min(Math.max(to, 0), shown.length - 1)]?.focus();
  }

  function onSearchKey(event) {
    if (event.key !== "ArrowDown" && event.key !== "Enter") return;
    event.preventDefault();
    const [first] = visible();
    if (event.key === "ArrowDown") first?.focus();
    else first?.click();
  }

  build();
  return {
    el,
    update(next) {
      outline = next;
      build();
      filter();
    },
    show(path) {
      buttons.get(current)?.removeAttribute("aria-current");
      current = path;
      buttons.get(path)?.setAttribute("aria-current", "true");
      stops();
    },
  };
}
