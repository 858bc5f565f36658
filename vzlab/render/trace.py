"""A trace as HTML and as text: the sentence, the chunk, the bytes, each codec, the number, and the native reader beside it."""

from __future__ import annotations

from collections.abc import Sequence

from vzlab.inspection.decoding_steps import DecodingStep, Window
from vzlab.inspection.trace import Trace
from vzlab.inspection.words import format_count, format_dims, format_shape, format_value, shorten
from vzlab.render.html import (
    LINE,
    MONO,
    Box,
    Content,
    Markup,
    Tone,
    callout,
    card,
    columns,
    dim,
    element,
    facts,
    heading,
    join,
    label,
    pipeline,
    scrolling,
    strong,
)
from vzlab.render.printable import fold, printable, text_columns

BYTES_PER_LINE = 16
MAX_STEPS = 24
"""Steps of a codec chain that are shown."""

_PRE = f"{MONO};font-size:.84em;line-height:1.5;margin:.2em 0;color:inherit;border:0;border-radius:4px;white-space:pre"


def to_html(trace: Trace, *, upgrade: bool = True) -> Markup:
    """The trace as one self-contained element."""
    return card(body(trace), upgrade=upgrade)


def body(trace: Trace) -> Markup:
    """The trace without its card, to stand inside another view."""
    parts: list[Content] = [
        heading(
            shorten(trace.title, 160), shorten(f"{format_dims(trace.dims, trace.shape)}, {trace.dtype}", 200)
        ),
        callout(*_verdict(trace), tone=_tone(trace)),
        label("From bytes to number"),
        pipeline(_boxes(trace)),
        columns(
            join([label("The chunk"), facts(_chunk_facts(trace))], ""),
            join([label("The value"), facts(_value_facts(trace))], ""),
        ),
    ]
    if trace.head is not None:
        parts += [label("Stored bytes", _head_caption(trace)), _dump(trace.head)]
    if trace.element is not None:
        parts += [label("Around the value"), _dump(trace.element)]
    if trace.steps:
        parts += [label("What each codec did"), _steps(trace.steps[:MAX_STEPS])]
    return join(parts, "")


# -- words that both views share -----------------------------------------------------------------------------


def _value(trace: Trace) -> str:
    return shorten(trace.value.shown, 120)


def _stored(trace: Trace) -> str:
    return shorten(format_value(trace.stored), 120)


def _chunk_facts(trace: Trace) -> list[tuple[str, str]]:
    chunk = trace.chunk
    named = [
        f"{name or f'axis {axis}'} {start}:{stop}"
        for axis, (name, (start, stop)) in enumerate(zip(trace.dims, chunk.region, strict=True))
    ]
    position = f"({', '.join(map(str, chunk.index))}) of {format_shape(chunk.grid_shape)}"
    pairs = [("chunk", position if chunk.grid_shape else "the only one"), ("holds", ", ".join(named))]
    match chunk.state:
        case "missing":
            pairs.append(("bytes", "never written: every value in it reads as the fill value"))
        case "inline":
            pairs.append(("bytes", f"{format_count(chunk.length, 'byte')}, held beside the references"))
        case "virtual":
            stop = chunk.offset + chunk.length
            pairs += [
                ("file", chunk.url or ""),
                ("bytes", f"{chunk.offset:,} to {stop:,}: {format_count(chunk.length, 'byte')}"),
                ("request", _request(trace)),
            ]
    if chunk.state != "missing":
        pairs.append(("place", _place(trace)))
    return pairs


def _request(trace: Trace) -> str:
    if not trace.requests:
        return "none: these bytes came when the file was opened"
    n_bytes = sum(request.length for request in trace.requests)
    took = sum(request.ended_s - request.started_s for request in trace.requests)
    text = (
        f"{format_count(len(trace.requests), 'range')}, {format_count(n_bytes, 'byte')}, {1000 * took:.1f} ms"
    )
    if n_bytes < trace.chunk.length:
        text += "; nothing is compressed, so that a few bytes do (a Zarr reader fetches the whole chunk)"
    return text


def _place(trace: Trace) -> str:
    place = trace.place
    where = (
        f"({', '.join(map(str, place.index))}) in the chunk of {format_shape(trace.chunk.shape)}"
        if place.index
        else "the only one"
    )
    if place.stored_index is not None and (place.stored_index, place.stored_shape) != (
        place.index,
        trace.chunk.shape,
    ):
        where += (
            f", stored as ({', '.join(map(str, place.stored_index))}) of {format_shape(place.stored_shape)}"
        )
    if place.element is None or place.byte_offset is None:
        return where
    last = place.byte_offset + place.itemsize - 1
    span = f"byte {last:,}" if place.itemsize == 1 else f"bytes {place.byte_offset:,} to {last:,}"
    return f"{where}: element {place.element:,}, {span} of the decoded bytes"


def _value_facts(trace: Trace) -> list[tuple[str, str]]:
    origin = ", the fill value" if trace.chunk.state == "missing" else ""
    pairs = [("stored", f"{_stored(trace)}{origin}")]
    pairs += [(step.title, step.text) for step in trace.value_steps]
    pairs.append(("value", _value(trace)))
    if trace.native is not None:
        pairs.append(("native", _native(trace)))
    return pairs


def _native(trace: Trace) -> str:
    native = trace.native
    assert native is not None
    if native.reason:
        return f"not asked: {native.reason}"
    position = f"[{', '.join(map(str, native.index))}]" if native.index else ""
    text = f"{native.reader} reads {shorten(format_value(native.stored), 80)} at {native.path}{position} of {native.file}"
    if native.decoder and trace.value_steps:
        text += f"; {native.decoder} decodes {shorten(_decoded(native.decoded), 80)}"
    return text


def _decoded(value: object) -> str:
    if isinstance(value, float):
        # Ten digits: what stands behind them is how floats add up.
        value = float(f"{float(value):.10g}")
    text = str(value) if "datetime" in type(value).__name__ else format_value(value)
    return text.partition(".000000")[0].replace("T", " ").removesuffix(" 00:00:00")


def _agreement(trace: Trace) -> str:
    match trace.agrees:
        case True:
            return "the native library reads the same"
        case False:
            return "the native library reads something else"
    return "the native library was not asked"


def _verdict(trace: Trace) -> tuple[Content, ...]:
    return strong(f"{shorten(trace.title, 120)} is {_value(trace)}"), f": {_agreement(trace)}."


def _tone(trace: Trace) -> Tone:
    return {True: "good", False: "bad", None: "plain"}[trace.agrees]  # type: ignore[return-value]


def _head_caption(trace: Trace) -> str:
    shown = len(trace.head.data) if trace.head is not None else 0
    total = trace.chunk.length
    caption = "all of them" if shown >= total else f"the first {shown} of {total:,}"
    if trace.place.stored_positions is None:
        return f"{caption}; compression leaves the value no place of its own"
    return f"{caption}; those of the value are marked"


# -- HTML ----------------------------------------------------------------------------------------------------


def _boxes(trace: Trace) -> list[Box]:
    chunk = trace.chunk
    match chunk.state:
        case "missing":
            boxes = [Box(title="no chunk", value="never written", note="reads as fill", tone="warn")]
        case "inline":
            boxes = [
                Box(title="bytes", value=format_count(chunk.length, "byte"), note="beside the references")
            ]
        case _:
            note = f"at {chunk.offset:,} of {shorten(chunk.file, 40)}"
            boxes = [Box(title="bytes", value=format_count(chunk.length, "byte"), note=note)]
    boxes += [
        Box(title=shorten(step.title, 60), value=step.form_after, note=step.parameters or None)
        for step in trace.steps[:MAX_STEPS]
    ]
    boxes.append(
        Box(title="stored", value=_stored(trace), note=f"at ({', '.join(map(str, trace.place.index))})")
    )
    boxes += [
        Box(title=shorten(step.title, 60), note=step.text)
        for step in trace.value_steps
        if step.title == "scale, offset"
    ]
    boxes.append(Box(title="value", value=_value(trace), note=_agreement(trace), tone=_tone(trace)))
    return boxes


def _dump(window: Window) -> Markup:
    """A hex dump, the value's bytes marked by weight and colour."""
    rows: list[Content] = []
    for line in _lines(window):
        digits = [_digit(at, byte, window) for at, byte in line]
        text = "".join(chr(byte) if 32 <= byte < 127 else "·" for _, byte in line)
        padding = "   " * (BYTES_PER_LINE - len(line))
        rows.append(
            join([dim(f"{line[0][0]:>8,}  "), join(digits, " "), padding, dim(f"  {text}"), "\n"], "")
        )
    return scrolling("pre", rows, style=f"{_PRE};padding:.5em .75em;background:rgba(128,128,128,0.1)")


def _lines(window: Window) -> list[list[tuple[int, int]]]:
    numbered = list(enumerate(window.data, start=window.start))
    return [numbered[at : at + BYTES_PER_LINE] for at in range(0, len(numbered), BYTES_PER_LINE)]


def _steps(steps: Sequence[DecodingStep]) -> Markup:
    blocks = []
    for step in steps:
        parameters = f"{step.parameters}, " if step.parameters else ""
        parts: list[Content] = [
            element(
                "div",
                strong(shorten(step.title, 60)),
                " ",
                dim(f"{parameters}{step.bytes_before:,} → {format_count(step.bytes_after, 'byte')}"),
            ),
            element("div", step.text + "."),
        ]
        if step.planes and step.window is not None:
            parts.append(_regrouping(step, step.window))
        elif step.window is not None:
            line = join([dim(f"from byte {step.window.start:,}  "), _digits(step.window)], "")
            parts.append(scrolling("pre", line, style=f"{_PRE};padding:.2em 0;background:none"))
        blocks.append(element("div", parts, style=f"border-top:{LINE};padding:.35em 0"))
    return join(blocks, "")


def _regrouping(step: DecodingStep, after: Window) -> Markup:
    """Draw a shuffle: the same byte of neighbours side by side, then the bytes of each element."""
    names = [f"byte {number} of each, from {plane.start:,}" for number, plane in enumerate(step.planes)]
    names.append(f"regrouped, from {after.start:,}")
    widest = max(map(len, names))
    rows = [
        join([dim(f"{name:<{widest}}  "), _digits(window), "\n"], "")
        for name, window in zip(names, (*step.planes, after), strict=True)
    ]
    return scrolling("pre", rows, style=f"{_PRE};padding:.4em 0;background:none")


def _digits(window: Window) -> Markup:
    """Bytes in hexadecimal, the value's marked by weight and colour."""
    return join([_digit(at, byte, window) for at, byte in enumerate(window.data, start=window.start)], " ")


def _digit(at: int, byte: int, window: Window) -> Content:
    if at not in window.marked:
        return f"{byte:02x}"
    return element("b", f"{byte:02x}", style="background:rgba(222,184,76,0.3)")


# -- text ----------------------------------------------------------------------------------------------------


def to_text(trace: Trace, *, width: int | None = None) -> str:
    """The trace for a terminal of `width` columns; the terminal's own if not given."""
    lines = [f"{trace.title} is {_value(trace)}: {_agreement(trace)}.", ""]
    lines += _aligned(_chunk_facts(trace))
    if trace.head is not None:
        lines += ["", f"stored bytes: {_head_caption(trace)}", *_text_lines(trace.head)]
    if trace.element is not None:
        lines += ["", "around the value", *_text_lines(trace.element)]
    for step in trace.steps:
        codec = f"{step.title} ({step.parameters})" if step.parameters else step.title
        lines += ["", f"{codec}: {step.bytes_before:,} → {step.bytes_after:,} bytes", f"  {step.text}."]
        if step.moves:
            moved = [f"{move.before:,} → {move.after:,}: {move.byte:02x}" for move in step.moves[:8]]
            lines.append(f"  the value's bytes {', '.join(moved)}")
    lines += ["", *_aligned(_value_facts(trace))]
    columns = text_columns(width)
    return "\n".join(
        wrapped
        for line in lines
        for wrapped in fold(printable(line), columns, "  " if line.startswith("  ") else "")
    )


def _aligned(pairs: Sequence[tuple[str, str]]) -> list[str]:
    widest = max(len(name) for name, _ in pairs)
    return [f"{name:<{widest}}  {text}" for name, text in pairs]


def _text_lines(window: Window) -> list[str]:
    """A hex dump, with marks under the value's bytes."""
    written = []
    for line in _lines(window):
        written.append(f"{line[0][0]:>8,}  {' '.join(f'{byte:02x}' for _, byte in line)}")
        if any(at in window.marked for at, _ in line):
            marks = " ".join("^^" if at in window.marked else "  " for at, _ in line)
            written.append(f"{'':>8}  {marks}".rstrip())
    return written
