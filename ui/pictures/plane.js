// Plane: a flat section of latent space as territories, one colour per verb. A click or Enter picks a point.
//
// data: { name, side, cells: [], verbs: [], known: [], p: [], corners: [{ x, y, label }], path: [[x, y]] }
// `cells` has for each cell, row by row from the top, the number of its verb; x and y are shares of the picture's side.

const LARGEST = 620
const SMALLEST_LABELLED = 0.004 // of the picture

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".plane")
  const [stage, status] = [root.querySelector(".stage"), root.querySelector(".status")]
  const hueOf = hues(data.verbs)
  const regions = regionsOf(data.cells, data.side)
  const canvas = stage.querySelector("canvas") ?? stage.appendChild(htmlElement("canvas", { tabindex: 0 }))
  canvas.setAttribute("role", "application")
  canvas.setAttribute("aria-label", data.alt)
  root.dataset.side = data.side
  root.dataset.corners = data.corners.map((corner) => corner.label).join(" ")
  if (root.dataset.plane !== data.name) {
    root.dataset.plane = data.name
    root.at = [0.5, 0.5]
  }

  function draw(width) {
    const theme = themeOf(root)
    const size = Math.min(width, LARGEST)
    const ratio = window.devicePixelRatio || 1
    ;[canvas.width, canvas.height] = [size * ratio, size * ratio]
    canvas.style.width = canvas.style.height = `${size}px`
    const context = canvas.getContext("2d")
    context.setTransform(ratio, 0, 0, ratio, 0, 0)
    paint(context, size, theme)
    saveButtons(root.querySelector(".save"), data.name, {
      PNG: () => pngOfCanvas(canvas),
      SVG: () => svgBlob(asSvg(theme)),
      CSV: () => csvBlob(asTable()),
    })
  }

  function paint(context, size, theme) {
    const cell = size / data.side
    data.cells.forEach((verb, i) => {
      context.fillStyle = fill(hueOf.get(data.verbs[verb]), data.p[i] / 100, theme.dark)
      const [x, y] = [i % data.side, Math.floor(i / data.side)]
      context.fillRect(x * cell, y * cell, cell + 0.6, cell + 0.6)
    })
    context.strokeStyle = theme.background
    context.lineWidth = 1.5
    context.stroke(borders(cell))
    context.textAlign = "center"
    context.textBaseline = "middle"
    for (const region of regions) {
      if (region.size / data.cells.length < SMALLEST_LABELLED) continue
      const known = data.known[region.verb]
      context.font = `${known ? "" : "italic "}13px ${theme.font}`
      context.fillStyle = theme.text
      context.fillText(data.verbs[region.verb], (region.x + 0.5) * cell, (region.y + 0.5) * cell)
    }
    marks(context, size, theme)
  }

  function borders(cell) {
    const path = new Path2D()
    data.cells.forEach((verb, i) => {
      const [x, y] = [i % data.side, Math.floor(i / data.side)]
      if (x + 1 < data.side && data.cells[i + 1] !== verb) {
        path.moveTo((x + 1) * cell, y * cell)
        path.lineTo((x + 1) * cell, (y + 1) * cell)
      }
      if (y + 1 < data.side && data.cells[i + data.side] !== verb) {
        path.moveTo(x * cell, (y + 1) * cell)
        path.lineTo((x + 1) * cell, (y + 1) * cell)
      }
    })
    return path
  }

  function marks(context, size, theme) {
    context.strokeStyle = context.fillStyle = theme.text
    context.lineWidth = 1.5
    context.setLineDash([6, 4])
    context.beginPath()
    data.path.forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](x * size, y * size))
    context.stroke()
    context.setLineDash([])
    for (const { x, y, label } of data.corners) {
      context.beginPath()
      context.arc(x * size, y * size, 5, 0, 2 * Math.PI)
      context.fill()
      context.font = `600 14px ${theme.font}`
      context.lineWidth = 4
      context.strokeStyle = theme.background
      const at = [Math.min(Math.max(x * size, 40), size - 40), y * size + (y < 0.9 ? 18 : -16)]
      context.strokeText(label, ...at)
      context.fillText(label, ...at)
    }
    const [x, y] = root.at.map((share) => share * size)
    context.lineWidth = 2
    context.strokeStyle = theme.text
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.beginPath()
      context.moveTo(x + 4 * dx, y + 4 * dy)
      context.lineTo(x + 12 * dx, y + 12 * dy)
      context.stroke()
    }
  }

  const cellAt = ([x, y]) => {
    const place = (share) => Math.max(0, Math.min(data.side - 1, Math.floor(share * data.side)))
    return place(y) * data.side + place(x)
  }

  function say(at) {
    const cell = cellAt(at)
    const verb = data.cells[cell]
    const kind = data.known[verb] ? "" : " (not in the dictionary)"
    status.textContent = `${data.verbs[verb]}${kind}, probability ${data.p[cell]} %`
  }

  function pick(at) {
    root.at = at
    draw(stage.clientWidth)
    say(at)
    setStateValue("picked", at)
  }

  const shareOf = (event) => {
    const box = canvas.getBoundingClientRect()
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
  }
  canvas.onclick = (event) => pick(shareOf(event))
  canvas.onpointermove = (event) => say(shareOf(event))
  canvas.onpointerleave = () => say(root.at)
  canvas.onkeydown = (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key]
    if (event.key === "Enter" || event.key === " ") pick(root.at)
    else if (step) {
      root.at = root.at.map((share, i) => Math.max(0, Math.min(0.9999, share + step[i] / data.side)))
      draw(stage.clientWidth)
      say(root.at)
    } else return
    event.preventDefault()
  }

  function asSvg(theme) {
    const cell = 8
    const size = data.side * cell
    const svg = svgElement("svg", { width: size, height: size, viewBox: `0 0 ${size} ${size}` })
    data.cells.forEach((verb, i) =>
      svg.append(
        svgElement("rect", {
          x: (i % data.side) * cell, y: Math.floor(i / data.side) * cell, width: cell, height: cell,
          fill: fill(hueOf.get(data.verbs[verb]), data.p[i] / 100, theme.dark),
        })
      )
    )
    for (const region of regions)
      if (region.size / data.cells.length >= SMALLEST_LABELLED)
        svg.append(
          svgElement("text", {
            x: (region.x + 0.5) * cell, y: (region.y + 0.5) * cell, "text-anchor": "middle", "font-size": 13,
            fill: theme.text, "font-family": theme.font, "font-style": data.known[region.verb] ? "normal" : "italic",
          }, data.verbs[region.verb])
        )
    return svg
  }

  const asTable = () => [
    ["x", "y", "verb", "in the dictionary", "probability"],
    ...data.cells.map((verb, i) => [
      (i % data.side) / data.side, Math.floor(i / data.side) / data.side, data.verbs[verb], data.known[verb], data.p[i] / 100,
    ]),
  ]

  say(root.at)
  return drawAtEveryWidth(stage, draw)
}

/** Connected cells of one verb: { verb, size, x, y }, with the place of a label inside the region. */
function regionsOf(cells, side) {
  const seen = new Uint8Array(cells.length)
  const regions = []
  for (let start = 0; start < cells.length; start++) {
    if (seen[start]) continue
    const members = [start]
    seen[start] = 1
    for (const i of members) {
      const x = i % side
      for (const [j, inside] of [[i - 1, x > 0], [i + 1, x + 1 < side], [i - side, i >= side], [i + side, i + side < cells.length]])
        if (inside && !seen[j] && cells[j] === cells[start]) (seen[j] = 1), members.push(j)
    }
    const mean = [0, 0]
    for (const i of members) (mean[0] += (i % side) / members.length), (mean[1] += Math.floor(i / side) / members.length)
    const distance = (i) => Math.hypot((i % side) - mean[0], Math.floor(i / side) - mean[1])
    const middle = members.reduce((best, i) => (distance(i) < distance(best) ? i : best))
    regions.push({ verb: cells[start], size: members.length, x: middle % side, y: Math.floor(middle / side) })
  }
  return regions
}
