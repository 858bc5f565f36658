// The chunk grid along two dimensions: seen whole or near, chosen by pointer and by keys, and told as a table.

const NEAREST = 4; // Chunks down or across that fill the view when it is nearest.
const FINER_AFTER_MS = 120;

/**
 * Draw a chunk map.
 *
 * `onSelect(region)` is told [[first, last + 1], [first, last + 1]] in chunks down and across. `ask`, if given, answers
 * `{do: "level", region}` with a level in more cells.
 */
function chunkMap(spec, { onSelect, ask = null, colour = null }) {
  let base = new Level(spec);
  let fine = null;
  let by = colour;
  let images = new Map();
  let view = whole();
  let cursor = [0, 0];
  let anchor = null;
  let selected = null;
  let moving = false;
  let isFocused = false;
  let asked = 0;

  const stage = h("div", {
    class: "vzx-stage",
    tabindex: 0,
    role: "application",
    "aria-roledescription": "chunk map",
    ...OWN_KEYS,
    keydown: onKey,
    focus: () => ((isFocused = true), drawn.redraw()),
    blur: () => ((isFocused = false), drawn.redraw()),
    pointerdown: onDown,
    wheel: onWheel,
    pointermove: (event) => show(place(event)),
    pointerleave: () => (status.textContent = ""),
  });
  const drawn = picture("vzx-canvas", draw);
  stage.append(drawn.canvas);
  const status = h("div", { class: "vzx-status" });
  const heard = h("div", { class: "vzx-heard", "aria-live": "polite" });
  const key = h("div");
  const caption = h("div", { class: "vzx-caption" });
  const move = h(
    "button",
    { type: "button", "aria-pressed": "false", title: "Drag to move instead of to select", click: toggleMove },
    "Move",
  );
  const nearer = h(
    "button",
    { type: "button", "aria-label": "Zoom in", title: "Zoom in (+)", click: () => zoom(0.5) },
    "+",
  );
  const farther = h(
    "button",
    { type: "button", "aria-label": "Zoom out", title: "Zoom out (-)", click: () => zoom(2) },
    "−",
  );
  const fit = h("button", { type: "button", title: "See the whole grid (0)", click: () => see(whole()) }, "Whole");
  const table = foldedTable(() => chunkTable(fine?.covers(view) ? fine : base, view, spec.dims, choose));
  const bar = h("div", { class: "vzx-bar" }, nearer, farther, fit, move);
  const el = h(
    "div",
    { class: "vzx-chunks" },
    h("div", { class: "vzx-row" }, caption, bar),
    stage,
    heard,
    status,
    key,
    table.el,
  );
  describe();

  const finer = settled(FINER_AFTER_MS, askForFiner);

  function whole() {
    return base.region.map(([start, stop]) => [start, stop]);
  }

  function describe() {
    const [down, across] = spec.dims;
    const [rows, columns] = spec.grid_shape;
    caption.textContent =
      (down ? `${down} ${rows.toLocaleString("en")} ↓  ` : "") +
      `${across} ${columns.toLocaleString("en")} →` +
      deep();
    stage.setAttribute(
      "aria-label",
      `${spec.alt}. Arrow keys move, Shift and arrow keys widen, Enter selects, Escape clears, plus and minus zoom.`,
    );
    // Chunks of one row alone would be a line too thin to point at.
    const ratio = Math.min(rows / columns, 0.62);
    stage.style.setProperty("--vzx-rows", ratio);
    stage.classList.toggle("vzx-thin", rows === 1 || ratio < 0.1);
    key.replaceChildren(legend([...colouring(by ?? spec.colour_by[0], base, spec).legend(), ...absent()]));
    move.hidden = nearer.hidden = farther.hidden = fit.hidden = rows * columns <= 64;
    table.refresh();
  }

  function deep() {
    const folded = spec.folded.map(([name, n]) => `all ${n.toLocaleString("en")} along ${name}`);
    return folded.length ? ` · a cell is ${folded.join(" and ")}` : "";
  }

  function absent() {
    return spec.n_missing || base.all("n_missing").some(Boolean) ? [[spec.colours.missing, "never written"]] : [];
  }

  // -- drawing --------------------------------------------------------------------------------------------------------

  /** Cells of a level as an image, made once for each colouring. */
  function image(level) {
    if (!images.has(level)) images.set(level, cellImage(level, by ?? spec.colour_by[0], spec));
    return images.get(level);
  }

  const scale = (width, height) => [height / (view[0][1] - view[0][0]), width / (view[1][1] - view[1][0])];

  /** Where a range of chunks stands on the canvas: x, y, width, height. */
  function box(region, width, height) {
    const [down, across] = scale(width, height);
    const [x, y] = [(region[1][0] - view[1][0]) * across, (region[0][0] - view[0][0]) * down];
    return [x, y, (region[1][1] - region[1][0]) * across, (region[0][1] - region[0][0]) * down];
  }

  function draw(context, width, height) {
    context.imageSmoothingEnabled = false;
    const levels = fine && touches(fine.region, view) ? [base, fine] : [base];
    for (const level of levels) {
      const [x, y, across, down] = box(level.region, width, height);
      if (level === fine) context.clearRect(x, y, across, down);
      context.drawImage(image(level), x, y, across, down);
    }
    const level = levels.at(-1);
    marks(context, level, width, height);
    const strong = ink(stage);
    if (selected) outline(context, box(selected, width, height), strong, ink(stage, "--vzx-paper"), []);
    if (isFocused)
      outline(context, box(level.cellAt(cursor), width, height), strong, ink(stage, "--vzx-paper"), [3, 3]);
  }

  /** Lines between cells, and strokes through chunks that were never written, where there is room for them. */
  function marks(context, level, width, height) {
    const [down, across] = scale(width, height);
    const [first, last] = [0, 1].map((end) =>
      [0, 1].map((axis) => level.find(axis, view[axis][end] - (end ? 1e-6 : 0))),
    );
    const sizes = [down * (level.edge(0, 1) - level.edge(0, 0)), across * (level.edge(1, 1) - level.edge(1, 0))];
    if (Math.min(...sizes) < 5) return;
    context.lineWidth = 1;
    context.strokeStyle = ink(stage, "--vzx-paper");
    context.beginPath();
    for (let row = first[0]; row <= last[0]; row++) {
      const y = (level.edge(0, row) - view[0][0]) * down;
      context.moveTo(0, y);
      context.lineTo(width, y);
    }
    for (let column = first[1]; column <= last[1]; column++) {
      const x = (level.edge(1, column) - view[1][0]) * across;
      context.moveTo(x, 0);
      context.lineTo(x, height);
    }
    context.stroke();
    context.strokeStyle = rgb(spec.colours.missing);
    context.beginPath();
    for (let row = first[0]; row <= last[0]; row++)
      for (let column = first[1]; column <= last[1]; column++) {
        if (!level.at("n_missing", row * level.shape[1] + column)) continue;
        const [x, y, w, t] = box(
          [0, 1].map((axis) => [level.edge(axis, [row, column][axis]), level.edge(axis, [row, column][axis] + 1)]),
          width,
          height,
        );
        context.moveTo(x + 2, y + t - 2);
        context.lineTo(x + w - 2, y + 2);
      }
    context.stroke();
  }

  // -- where the view is ----------------------------------------------------------------------------------------------

  /** Look at a part of the grid, moved to lie inside of it. */
  function see(wanted) {
    view = wanted.map(([start, stop], axis) => {
      const [low, high] = base.region[axis];
      const length = Math.min(Math.max(stop - start, Math.min(NEAREST, high - low)), high - low);
      const from = Math.min(Math.max(start, low), high - length);
      return [from, from + length];
    });
    drawn.redraw();
    finer();
  }

  function zoom(factor, around = cursor) {
    see(
      view.map(([start, stop], axis) => {
        const at = Math.min(Math.max(around[axis] + 0.5, start), stop);
        return [at - (at - start) * factor, at + (stop - at) * factor];
      }),
    );
  }

  async function askForFiner() {
    const current = fine?.covers(view) ? fine : base;
    const cells = Math.max(
      ...[0, 1].map(
        (axis) =>
          ((view[axis][1] - view[axis][0]) * current.shape[axis]) /
          (current.region[axis][1] - current.region[axis][0]),
      ),
    );
    table.refresh();
    if (!ask || current.coarseness <= 1 || cells > 64) return;
    // Half as much again on every side, so that moving a little asks for nothing.
    const region = view.map(([start, stop], axis) => {
      const [low, high] = base.region[axis];
      const margin = (stop - start) / 4;
      return [Math.max(Math.floor(start - margin), low), Math.min(Math.ceil(stop + margin), high)];
    });
    const number = ++asked;
    const answer = await ask({ do: "level", region });
    if (number !== asked || !answer.level) return;
    images.delete(fine);
    fine = new Level(answer.level);
    drawn.redraw();
    table.refresh();
  }

  // -- choosing -------------------------------------------------------------------------------------------------------

  const levelAt = (at) =>
    fine &&
    [0, 1].every((axis) => fine.region[axis][0] <= at[axis] && at[axis] < fine.region[axis][1]) &&
    touches(fine.region, view)
      ? fine
      : base;

  function place(event) {
    const bounds = drawn.canvas.getBoundingClientRect();
    const [width, height] = drawn.size;
    const [down, across] = scale(width, height);
    const at = [
      view[0][0] + (event.clientY - bounds.top) / down,
      view[1][0] + (event.clientX - bounds.left) / across,
    ];
    return at.map((value, axis) =>
      Math.min(Math.max(Math.floor(value), base.region[axis][0]), base.region[axis][1] - 1),
    );
  }

  function words(at) {
    const level = levelAt(at);
    const cell = level.cellAt(at);
    const where = [0, 1].filter((axis) => spec.dims[axis]).map((axis) => `${spec.dims[axis]} ${span(cell[axis])}`);
    return `${where.join(", ")}: ${level.words(level.number(at))}`;
  }

  const show = (at) => (status.textContent = words(at));

  function choose(region) {
    selected = region;
    drawn.redraw();
    onSelect(region);
  }

  function onDown(event) {
    if (event.button !== 0) return;
    stage.focus({ preventScroll: true });
    const moves = moving !== event.shiftKey;
    const from = place(event);
    const [startX, startY] = [event.clientX, event.clientY];
    const before = view;
    let hasMoved = false;
    cursor = from;
    anchor = null;
    const between = (at) => union(levelAt(from).cellAt(from), levelAt(at).cellAt(at));
    const onMove = (now) => {
      hasMoved ||= Math.hypot(now.clientX - startX, now.clientY - startY) > 4;
      if (!hasMoved) return;
      if (moves) {
        const [down, across] = scale(...drawn.size);
        const by = [(startY - now.clientY) / down, (startX - now.clientX) / across];
        see(before.map(([start, stop], axis) => [start + by[axis], stop + by[axis]]));
      } else {
        selected = between(place(now));
        drawn.redraw();
      }
    };
    const onUp = (now) => {
      stage.removeEventListener("pointermove", onMove);
      stage.removeEventListener("pointerup", onUp);
      stage.removeEventListener("pointercancel", onUp);
      if (now.type === "pointercancel") return;
      if (!hasMoved) choose(levelAt(from).cellAt(from));
      else if (!moves) choose(between(place(now)));
    };
    stage.setPointerCapture(event.pointerId);
    stage.addEventListener("pointermove", onMove);
    stage.addEventListener("pointerup", onUp);
    stage.addEventListener("pointercancel", onUp);
  }

  /** The wheel scrolls the page; with Ctrl, or two fingers, it zooms. */
  function onWheel(event) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(Math.exp(Math.min(Math.max(event.deltaY, -60), 60) / 100), place(event));
  }

  const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = STEPS[event.key];
    if (step) walk(step, event.shiftKey);
    else if (event.key === "Enter" || event.key === " ")
      choose(
        anchor
          ? union(levelAt(anchor).cellAt(anchor), levelAt(cursor).cellAt(cursor))
          : levelAt(cursor).cellAt(cursor),
      );
    else if (event.key === "+" || event.key === "=") zoom(0.5);
    else if (event.key === "-") zoom(2);
    else if (event.key === "Escape") choose(null);
    else if (event.key === "0" || event.key === "Home") see(whole());
    else return;
    event.preventDefault();
  }

  /** Go to the next cell; with Shift, all from where that began are chosen. */
  function walk(step, widens) {
    if (widens) anchor ??= cursor;
    else anchor = null;
    const cell = levelAt(cursor).cellAt(cursor);
    cursor = cursor.map((at, axis) => {
      const next = step[axis] > 0 ? cell[axis][1] : step[axis] < 0 ? cell[axis][0] - 1 : at;
      return Math.min(Math.max(next, base.region[axis][0]), base.region[axis][1] - 1);
    });
    // Keep it in sight.
    see(
      view.map(([start, stop], axis) => {
        const shift =
          cursor[axis] < start ? cursor[axis] - start : cursor[axis] + 1 > stop ? cursor[axis] + 1 - stop : 0;
        return [start + shift, stop + shift];
      }),
    );
    if (anchor) choose(union(levelAt(anchor).cellAt(anchor), levelAt(cursor).cellAt(cursor)));
    show(cursor);
    heard.textContent = status.textContent;
  }

  function toggleMove() {
    moving = !moving;
    move.setAttribute("aria-pressed", String(moving));
    stage.classList.toggle("vzx-moving", moving);
  }

  return {
    el,
    update(next) {
      const isAnother =
        next.variable !== spec.variable ||
        String(next.dims) !== String(spec.dims) ||
        String(next.grid_shape) !== String(spec.grid_shape);
      spec = next;
      base = new Level(spec);
      fine = null;
      asked++;
      images = new Map();
      if (isAnother) [view, cursor, anchor, selected] = [whole(), [0, 0], null, null];
      describe();
      drawn.redraw();
      finer();
    },
    select(region) {
      selected = region;
      if (region) cursor = region.map(([start]) => start);
      drawn.redraw();
    },
    recolour(next) {
      by = next;
      images = new Map();
      describe();
      drawn.redraw();
    },
    redraw: drawn.redraw,
    destroy() {
      finer.cancel();
      asked++;
      drawn.destroy();
    },
  };
}

const union = (one, other) =>
  one.map(([start, stop], axis) => [Math.min(start, other[axis][0]), Math.max(stop, other[axis][1])]);
const touches = (one, other) => one.every(([start, stop], axis) => start < other[axis][1] && other[axis][0] < stop);
