// What was selected: where it lies, what reading it takes, and the way of one value from its bytes to its number.

const INVITATION =
  "Select a chunk in either map: click it, drag over several, or press the arrow keys and Enter. Where it lies, the requests " +
  "that it takes and what they cost are shown here, and one of its values can be followed from its bytes to its number.";

/** Draw the panel of a selection; `ask({do: "trace", index})` is answered with `{html}` or `{error}`. */
function detailPanel({ ask, onClear }) {
  const el = h("section", { class: "vzx-detail", "aria-label": "Selection" });
  let shown = null;
  let requests = null;

  function invite() {
    shown = null;
    requests?.destroy();
    requests = null;
    el.replaceChildren(h("p", { class: "vzx-hint" }, INVITATION));
  }

  function show(detail) {
    if (!detail) return invite();
    const isSame = shown && shown.title === detail.title;
    shown = detail;
    if (isSame) return;
    requests?.destroy();
    requests = detail.requests ? waterfallDiagram(detail.requests, { onSelect() {} }) : null;
    const clear = h("button", { type: "button", click: onClear }, "Clear");
    el.replaceChildren(
      h(
        "div",
        { class: "vzx-row" },
        h("div", { class: "vzx-title", role: "heading", "aria-level": 3 }, detail.title),
        clear,
      ),
      h("div", { class: "vzx-heard", "aria-live": "polite" }, `${detail.title} selected`),
      ready(detail.html),
      detail.cost
        ? h(
            "details",
            {},
            h("summary", {}, h("b", {}, "Reading it takes "), detail.takes),
            requests?.el ?? "",
            ready(detail.cost),
          )
        : "",
      detail.region ? traceForm(detail) : "",
      detail.followed
        ? h("details", { open: true }, h("summary", {}, h("b", {}, "From its bytes to a number")), ready(detail.followed))
        : "",
    );
  }

  function traceForm(detail) {
    const fields = detail.dims.map((dim, axis) => {
      const [start, stop] = detail.region[axis];
      // Values at the edges of an array are often missing: one in the middle tells more.
      const value = Math.floor((start + stop) / 2);
      const field = h("input", { type: "number", min: start, max: stop - 1, value, required: true });
      return [field, h("label", {}, dim, " ", field)];
    });
    const result = h("div", { "aria-live": "polite" });
    const go = h("button", { type: "submit", class: "vzx-main" }, "Follow this value");
    const submit = async (event) => {
      event.preventDefault();
      go.disabled = true;
      result.replaceChildren(h("p", { class: "vzx-hint" }, "Reading the chunk that holds it …"));
      const answer = await ask({ do: "trace", index: fields.map(([field]) => Number(field.value)) });
      go.disabled = false;
      if (shown?.title !== detail.title) return;
      result.replaceChildren(answer.error ? h("p", { class: "vzx-error" }, answer.error) : ready(answer.html));
    };
    const form = h(
      "form",
      { class: "vzx-form", submit },
      fields.map(([, label]) => label),
      go,
    );
    return h("details", { open: true }, h("summary", {}, h("b", {}, "From its bytes to a number")), form, result);
  }

  invite();
  return { el, show, destroy: () => requests?.destroy() };
}
