// What a cell's colour says: an amount on a scale, or a kind.

const COLOURINGS = {
  ratio: "stored / raw",
  size: "stored size",
  offset: "place in the file",
  file: "file",
  state: "state",
  outliers: "outliers",
};

/** Red, green and blue of a place between 0 and 1 on a scale of colours. */
function onScale(scale, place) {
  const at = Math.min(Math.max(place, 0), 1) * (scale.length - 1);
  const low = Math.min(Math.floor(at), scale.length - 2);
  return scale[low].map((from, i) => Math.round(from + (scale[low + 1][i] - from) * (at - low)));
}

/**
 * Make `(cell) => [red, green, blue] | null` for a level, with its legend; null is a cell with no chunk to colour.
 *
 * Scales are those of the whole variable, so that a colour means the same at every level and in every slice.
 */
function colouring(by, level, spec) {
  const { colours } = spec;
  if (by === "file" || by === "source") {
    return {
      of: (cell) => {
        const source = level.at("source", cell);
        return source === -2
          ? null
          : source === -1
            ? colours.several
            : colours.sources[source % colours.sources.length];
      },
      legend: () => {
        const seen = [...new Set(level.all("source"))].filter((source) => source >= 0).sort((a, b) => a - b);
        const named = seen
          .slice(0, 4)
          .map((source) => [
            colours.sources[source % colours.sources.length],
            spec.sources[source] ?? `file ${source}`,
          ]);
        if (seen.length > 4) named.push([null, `and ${count(seen.length - 4, "more file")}`]);
        if (level.all("source").includes(-1)) named.push([colours.several, "several files"]);
        return named;
      },
    };
  }
  if (by === "state") {
    const virtual = colours.scale[1];
    return {
      of: (cell) => {
        const chunks = level.count(cell);
        if (level.at("n_missing", cell) === chunks) return null;
        return level.at("n_inline", cell) * 2 > chunks - level.at("n_missing", cell) ? colours.inline : virtual;
      },
      legend: () => [
        [virtual, spec.held === "stored" ? "in the store" : "in a file"],
        [colours.inline, "held with the references"],
      ],
    };
  }
  if (by === "outliers") {
    const middle = Math.max(spec.median_bytes || 1, 1);
    // How many times smaller or larger than the middle the most unusual chunk of a cell is, as powers of two.
    const score = (cell) => {
      const [low, high] = [level.at("min_bytes", cell), level.at("max_bytes", cell)];
      if (!high) return NaN;
      const [under, over] = [Math.log2(middle / Math.max(low, 1)), Math.log2(high / middle)];
      return Math.abs(under) > Math.abs(over) ? -under : over;
    };
    const most = 3;
    const scale = [colours.scale[0], [150, 150, 156], colours.missing];
    return {
      of: (cell) => (Number.isNaN(score(cell)) ? null : onScale(scale, 0.5 + score(cell) / (2 * most))),
      legend: () => [
        [scale[0], `8 times smaller than ${bytesInWords(middle)}`],
        [scale[1], `the middle, ${bytesInWords(middle)}`],
        [scale[2], "8 times larger"],
      ],
    };
  }
  const { amount, say, range } = {
    ratio: { amount: (cell) => level.ratio(cell), say: percent, range: spec.ratio_range },
    size: { amount: (cell) => level.mean(cell), say: bytesInWords, range: spec.size_range },
    offset: {
      amount: (cell) => (level.at("offset", cell) < 0 ? NaN : level.at("offset", cell)),
      say: (n) => `byte ${Math.round(n).toLocaleString("en")}`,
      range: spec.offset_range,
    },
  }[by];
  const [low, high] = range ?? extent(level, amount);
  const width = high - low;
  return {
    of: (cell) => {
      const value = amount(cell);
      return Number.isFinite(value) ? onScale(colours.scale, width > 0.02 * high ? (value - low) / width : 0) : null;
    },
    legend: () =>
      width > 0.02 * high
        ? [0, 1 / 3, 2 / 3, 1].map((place) => [onScale(colours.scale, place), say(low + place * width)])
        : high > 0 || by === "offset"
          ? [[colours.scale[0], `all ${say(high)}`]]
          : [], // nothing was ever written
  };
}

function extent(level, amount) {
  let [low, high] = [Infinity, -Infinity];
  for (let cell = 0; cell < level.size; cell++) {
    const value = amount(cell);
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low > high ? [0, 0] : [low, high];
}

/** Draw the cells of a level, a pixel for each; those without a chunk are a faint mark of what is missing. */
function cellImage(level, by, spec) {
  const [rows, columns] = level.shape;
  const canvas = new OffscreenCanvas(columns, rows);
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(columns, rows);
  const { of } = colouring(by, level, spec);
  for (let cell = 0; cell < level.size; cell++) {
    const missing = level.at("n_missing", cell);
    const colour = missing && missing === level.count(cell) ? null : of(cell);
    pixels.data.set(colour ? [...colour, 255] : [...spec.colours.missing, 56], 4 * cell);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** Say what colours stand for. */
function legend(entries) {
  return h(
    "div",
    { class: "vzx-legend" },
    entries.map(([colour, text]) =>
      h(
        "span",
        {},
        h("i", { class: colour ? null : "vzx-clear", style: colour ? `background:${rgb(colour)}` : null }),
        text,
      ),
    ),
  );
}
