// Ribbons: along a path, for each tense the forms that are decoded there. A cursor shows the letters at one point.
//
// data: { name, start, rows: [{ title, ribbons: [{ label, segments: [[from, to, form, verb, known]], p: [], letters: [[]] }] }] }
// with one entry of p and of letters (percent) for each point of the path.

const HEIGHT = 34
const GAP = 5
const TITLE = 24

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".ribbon")
  const find = (name) => root.querySelector(name)
  const [stage, range, play, readout] = [".stage", "input", ".play", ".readout"].map(find)
  const count = data.rows[0].ribbons[0].p.length
  const every = data.rows.flatMap((row) => row.ribbons)
  const hueOf = hues(every.flatMap((ribbon) => ribbon.segments.map((segment) => segment[3])))
  let svg, cursor, left, width

  range.max = count - 1
  if (root.dataset.path !== data.name) {
    root.dataset.path = data.name // a new path: the cursor begins where the link or the page says
    range.value = data.start
  }

  function draw(total) {
    const theme = themeOf(root)
    left = total < 520 ? 52 : 96
    width = Math.max(40, total - left - 2)
    const rowHeight = (row) => TITLE + row.ribbons.length * (HEIGHT + GAP)
    const height = data.rows.reduce((sum, row) => sum + rowHeight(row), 0) + 4
    svg = svgElement("svg", { width: total, height, viewBox: `0 0 ${total} ${height}`, role: "img", "aria-label": data.alt })
    svg.append(hatch(theme))
    // In a narrow picture a title overlaps the cursor: an outline in the background's colour keeps it readable.
    const outline = { "font-weight": 600, "paint-order": "stroke", stroke: theme.background, "stroke-width": 5 }
    const titles = []
    let top = 0
    for (const row of data.rows) {
      titles.push(label(row.title, 0, top + 15, theme, outline))
      row.ribbons.forEach((ribbon, i) => drawRibbon(ribbon, top + TITLE + i * (HEIGHT + GAP), theme))
      top += rowHeight(row)
    }
    cursor = svgElement("line", { y1: 0, y2: height, stroke: theme.text, "stroke-width": 2, "pointer-events": "none" })
    svg.append(cursor, ...titles)
    stage.replaceChildren(svg)
    svg.onpointerdown = (event) => {
      svg.setPointerCapture(event.pointerId)
      svg.onpointermove = follow
      follow(event)
    }
    svg.onpointerup = svg.onpointercancel = () => (svg.onpointermove = null)
    show()
    saveButtons(find(".save"), data.name, {
      PNG: () => pngOfSvg(svg, theme.background),
      SVG: () => svgBlob(svg),
      CSV: () => csvBlob(asTable()),
    })
  }

  function label(text, x, y, theme, more = {}) {
    return svgElement("text", { x, y, fill: theme.text, "font-size": 13, "font-family": theme.font, ...more }, text)
  }

  function hatch(theme) {
    const defs = svgElement("defs", {})
    const pattern = svgElement("pattern", {
      id: "invented", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)",
    })
    pattern.append(svgElement("rect", { width: 2, height: 6, fill: theme.text, opacity: 0.22 }))
    defs.append(pattern)
    return defs
  }

  function drawRibbon(ribbon, top, theme) {
    const middle = top + HEIGHT / 2
    const name = left < 60 ? ribbon.short ?? ribbon.label : ribbon.label
    svg.append(label(name, 0, middle + 4, theme))
    const x = (i) => left + (i / count) * width
    for (const [from, to, form, verb, known] of ribbon.segments) {
      const edge = []
      for (let i = from; i <= to; i++) {
        const half = (HEIGHT / 2) * (0.15 + 0.85 * (ribbon.p[i] / 100))
        edge.push([x(i), half], [x(i + 1), half])
      }
      const above = edge.map(([at, half]) => `${at.toFixed(1)},${(middle - half).toFixed(1)}`)
      const below = edge.reverse().map(([at, half]) => `${at.toFixed(1)},${(middle + half).toFixed(1)}`)
      const points = [...above, ...below].join(" ")
      const shape = svgElement("polygon", {
        points, fill: fill(hueOf.get(verb), 1, theme.dark), stroke: theme.background, "stroke-width": 1,
      })
      shape.append(svgElement("title", {}, title(ribbon, from, to, form, verb, known)))
      svg.append(shape)
      if (!known) svg.append(svgElement("polygon", { points, fill: "url(#invented)", "pointer-events": "none" }))
      const room = x(to + 1) - x(from) - 8
      if (room > 7.4 * form.length)
        svg.append(
          label(form, (x(from) + x(to + 1)) / 2, middle + 4.5, theme, {
            "text-anchor": "middle", "pointer-events": "none", "font-style": known ? "normal" : "italic",
          })
        )
    }
  }

  function title(ribbon, from, to, form, verb, known) {
    const some = ribbon.p.slice(from, to + 1)
    const kind = known ? `a form of ${verb}` : "not in the dictionary"
    return `${form}: ${kind}; probability ${Math.min(...some)} to ${Math.max(...some)} %`
  }

  function follow(event) {
    const at = (event.clientX - svg.getBoundingClientRect().left - left) / width
    range.value = Math.max(0, Math.min(count - 1, Math.floor(at * count)))
    show()
  }

  function show() {
    const at = Number(range.value)
    const x = left + ((at + 0.5) / count) * width
    cursor.setAttribute("x1", x)
    cursor.setAttribute("x2", x)
    range.setAttribute("aria-valuetext", `point ${at + 1} of ${count}: ${every.map((r) => formAt(r, at)[2]).join(", ")}`)
    readout.replaceChildren(...data.rows.map((row) => readoutOf(row, at)))
  }

  const formAt = (ribbon, at) => ribbon.segments.find(([from, to]) => from <= at && at <= to)

  function readoutOf(row, at) {
    const line = htmlElement("div", { class: "line" })
    if (data.rows.length > 1) line.append(htmlElement("span", { class: "row" }, row.title))
    for (const ribbon of row.ribbons) {
      const [, , form, verb, known] = formAt(ribbon, at)
      const word = htmlElement("span", { class: known ? "word" : "word invented" })
      word.append(htmlElement("small", {}, ribbon.label))
      const dark = themeOf(root).dark
      ;[...form].forEach((letter, i) => {
        const sure = (ribbon.letters[at][i] ?? 100) / 100
        const cell = htmlElement("b", { title: `${letter}: ${Math.round(100 * sure)} %` }, letter)
        cell.style.background = fill(hueOf.get(verb), sure, dark)
        word.append(cell)
      })
      word.append(htmlElement("small", {}, `${ribbon.p[at]} %${known ? " ✓" : ""}`))
      line.append(word)
    }
    return line
  }

  function asTable() {
    const head = ["row", "tense", "point", "form", "verb", "in the dictionary", "probability"]
    const rows = data.rows.flatMap((row) =>
      row.ribbons.flatMap((ribbon) =>
        ribbon.p.map((p, i) => {
          const [, , form, verb, known] = formAt(ribbon, i)
          return [row.title, ribbon.label, i + 1, form, verb, known, p / 100]
        })
      )
    )
    return [head, ...rows]
  }

  const pause = playable(range, play, show, 8000 / count)
  const stop = drawAtEveryWidth(stage, draw)
  return () => (stop(), pause())
}
