// Map: a point per verb, labels that thin out when zoomed out, a lasso. A click or Enter picks a point.
//
// data: { name, palette: [], words: [], places: [[x, y]], groups: [], group: [], path: [[x, y]], marks: [[x, y, label]], focus: index | null }
// The most frequent verbs come first: where labels would overlap they win. x and y are from 0 to 1, y upwards.

const HEIGHT = 600
const LABEL = { width: 78, height: 17 }
const NEAR = 14 // pixels
const WIDEST = 40 // times magnified

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".map")
  const [stage, status, legend] = [".stage", ".status", ".legend"].map((name) => root.querySelector(name))
  const canvas = stage.querySelector("canvas") ?? stage.appendChild(htmlElement("canvas", { tabindex: 0 }))
  canvas.setAttribute("role", "application")
  canvas.setAttribute("aria-label", data.alt)
  const colourOf = (group) =>
    data.groups.length <= data.palette.length ? data.palette[group] : `hsl(${(group * 137.508) % 360} 55% 50%)`
  let size, polygon = null
  if (root.dataset.map !== data.name) {
    root.dataset.map = data.name
    root.view = { x: 0.5, y: 0.5, zoom: 1 } // the place in the middle, and how many times it is magnified
    root.focused = null
  }
  if (data.focus !== null && root.focused !== data.focus) {
    root.focused = data.focus
    const [x, y] = data.places[data.focus]
    root.view = { x, y, zoom: Math.max(root.view.zoom, 8) }
  }

  const scale = () => Math.min(size.width, size.height) * root.view.zoom
  const toScreen = ([x, y]) => [
    size.width / 2 + (x - root.view.x) * scale(), size.height / 2 - (y - root.view.y) * scale(),
  ]
  const toPlace = ([x, y]) => [
    root.view.x + (x - size.width / 2) / scale(), root.view.y - (y - size.height / 2) / scale(),
  ]

  function draw(width = stage.clientWidth) {
    const theme = themeOf(root)
    const ratio = window.devicePixelRatio || 1
    size = { width, height: Math.min(HEIGHT, width) }
    ;[canvas.width, canvas.height] = [width * ratio, size.height * ratio]
    ;[canvas.style.width, canvas.style.height] = [`${width}px`, `${size.height}px`]
    const context = canvas.getContext("2d")
    context.setTransform(ratio, 0, 0, ratio, 0, 0)
    context.fillStyle = theme.background
    context.fillRect(0, 0, width, size.height)
    points(context)
    path(context, theme)
    labels(context, theme)
    cross(context, theme)
    saveButtons(root.querySelector(".save"), data.name, {
      PNG: () => pngOfCanvas(canvas),
      SVG: () => svgBlob(asSvg(theme)),
      CSV: () => csvBlob([["verb", "x", "y", "group"], ...data.words.map((w, i) => [w, ...data.places[i], data.groups[data.group[i]]])]),
    })
  }

  function visible() {
    const found = []
    data.places.forEach((place, i) => {
      const [x, y] = toScreen(place)
      if (x > -10 && y > -10 && x < size.width + 10 && y < size.height + 10) found.push([i, x, y])
    })
    return found
  }

  function points(context) {
    const radius = Math.min(5, 1.8 + 0.5 * Math.log2(root.view.zoom + 1))
    context.globalAlpha = 0.75
    for (const [i, x, y] of visible()) {
      context.fillStyle = colourOf(data.group[i])
      context.beginPath()
      context.arc(x, y, radius, 0, 2 * Math.PI)
      context.fill()
    }
    context.globalAlpha = 1
  }

  function path(context, theme) {
    context.strokeStyle = context.fillStyle = theme.text
    context.lineWidth = 2
    context.beginPath()
    data.path.map(toScreen).forEach((at, i) => context[i ? "lineTo" : "moveTo"](...at))
    context.stroke()
    for (const [x, y] of data.marks) {
      context.beginPath()
      context.arc(...toScreen([x, y]), 4, 0, 2 * Math.PI)
      context.fill()
    }
    if (!polygon) return
    context.setLineDash([5, 4])
    context.beginPath()
    polygon.forEach((at, i) => context[i ? "lineTo" : "moveTo"](...at))
    context.stroke()
    context.setLineDash([])
  }

  function labels(context, theme) {
    const taken = new Set()
    context.textAlign = "center"
    context.lineWidth = 3
    context.strokeStyle = theme.background
    context.fillStyle = theme.text
    const label = (text, x, y, strong) => {
      const cells = [-1, 0, 1].map((d) => `${Math.round(x / LABEL.width + d / 2)} ${Math.round(y / LABEL.height)}`)
      if (!strong && cells.some((cell) => taken.has(cell))) return
      cells.forEach((cell) => taken.add(cell))
      context.font = `${strong ? "700 15px" : "12px"} ${theme.font}`
      context.strokeText(text, x, y - 7)
      context.fillText(text, x, y - 7)
    }
    for (const [x, y, text] of data.marks) label(text, ...toScreen([x, y]), true)
    if (data.focus !== null) {
      const at = toScreen(data.places[data.focus])
      label(data.words[data.focus], ...at, true)
      context.strokeStyle = theme.text
      context.lineWidth = 2
      context.beginPath()
      context.arc(...at, 9, 0, 2 * Math.PI)
      context.stroke()
      context.strokeStyle = theme.background
      context.lineWidth = 3
    }
    for (const [i, x, y] of visible()) if (i !== data.focus) label(data.words[i], x, y, false)
  }

  function cross(context, theme) {
    if (root.getRootNode().activeElement !== canvas) return
    context.strokeStyle = theme.text
    context.lineWidth = 1
    context.beginPath()
    const [x, y] = [size.width / 2, size.height / 2]
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 4 * dx, y + 4 * dy)
      context.lineTo(x + 11 * dx, y + 11 * dy)
    }
    context.stroke()
  }

  function nearest([x, y]) {
    let best = null
    for (const [i, px, py] of visible()) {
      const distance = Math.hypot(px - x, py - y)
      if (distance < NEAR && (!best || distance < best[1])) best = [i, distance]
    }
    return best && best[0]
  }

  function say(at) {
    const i = nearest(at)
    status.textContent = i === null ? "" : `${data.words[i]} (${data.groups[data.group[i]]})`
  }

  function pick(at) {
    const i = nearest(at)
    const picked = i === null ? { place: toPlace(at) } : { word: data.words[i] }
    setStateValue("picked", { ...picked, time: Date.now() }) // the time tells a second click on a verb from the first
  }

  function zoomBy(factor, at = [size.width / 2, size.height / 2]) {
    const before = toPlace(at)
    root.view.zoom = Math.max(0.7, Math.min(WIDEST, root.view.zoom * factor))
    const after = toPlace(at)
    root.view.x += before[0] - after[0]
    root.view.y += before[1] - after[1]
    draw()
  }

  const placeOf = (event) => {
    const box = canvas.getBoundingClientRect()
    return [event.clientX - box.left, event.clientY - box.top]
  }
  const lassoButton = root.querySelector(".lasso")
  let down = null
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId)
    down = { at: placeOf(event), view: { ...root.view }, moved: false }
    if (lassoButton.getAttribute("aria-pressed") === "true") polygon = [down.at]
  }
  canvas.onpointermove = (event) => {
    const at = placeOf(event)
    if (!down) return say(at)
    const [dx, dy] = [at[0] - down.at[0], at[1] - down.at[1]]
    down.moved ||= Math.hypot(dx, dy) > 4
    if (polygon) polygon.push(at)
    else if (down.moved) root.view = { ...root.view, x: down.view.x - dx / scale(), y: down.view.y + dy / scale() }
    draw()
  }
  canvas.onpointerup = (event) => {
    if (polygon?.length > 2) setStateValue("lasso", inside(polygon))
    else if (down && !down.moved) pick(placeOf(event))
    down = polygon = null
    draw()
  }
  canvas.onpointercancel = () => ((down = polygon = null), draw())
  canvas.onwheel = (event) => {
    if (root.getRootNode().activeElement !== canvas) return // the wheel scrolls the page until the map is clicked
    event.preventDefault()
    zoomBy(event.deltaY < 0 ? 1.2 : 1 / 1.2, placeOf(event))
  }
  canvas.onfocus = canvas.onblur = () => size && draw()
  canvas.onkeydown = (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key]
    const middle = [size.width / 2, size.height / 2]
    if (step) {
      root.view.x += (30 * step[0]) / scale()
      root.view.y += (30 * step[1]) / scale()
      draw()
      say(middle)
    } else if (event.key === "+" || event.key === "=") zoomBy(1.3)
    else if (event.key === "-") zoomBy(1 / 1.3)
    else if (event.key === "Enter") pick(middle)
    else return
    event.preventDefault()
  }
  root.querySelector(".in").onclick = () => zoomBy(1.5)
  root.querySelector(".out").onclick = () => zoomBy(1 / 1.5)
  root.querySelector(".all").onclick = () => ((root.view = { x: 0.5, y: 0.5, zoom: 1 }), draw())
  lassoButton.onclick = () =>
    lassoButton.setAttribute("aria-pressed", lassoButton.getAttribute("aria-pressed") !== "true")

  function inside(corners) {
    return visible()
      .filter(([, x, y]) => {
        let odd = false
        corners.forEach(([ax, ay], i) => {
          const [bx, by] = corners[(i + 1) % corners.length]
          if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd
        })
        return odd
      })
      .map(([i]) => data.words[i])
  }

  function asSvg(theme) {
    const svg = svgElement("svg", { ...size, viewBox: `0 0 ${size.width} ${size.height}` })
    for (const [i, x, y] of visible()) {
      const dot = svgElement("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: 3, fill: colourOf(data.group[i]) })
      dot.append(svgElement("title", {}, data.words[i]))
      svg.append(dot)
    }
    const at = data.path.map(toScreen).map((place) => place.join(",")).join(" ")
    svg.append(svgElement("polyline", { points: at, fill: "none", stroke: theme.text, "stroke-width": 2 }))
    return svg
  }

  legend.replaceChildren(
    ...data.groups.map((name, i) => {
      const entry = htmlElement("span", {}, name)
      const dot = htmlElement("i")
      dot.style.background = colourOf(i)
      entry.prepend(dot)
      return entry
    })
  )
  return drawAtEveryWidth(stage, draw)
}
