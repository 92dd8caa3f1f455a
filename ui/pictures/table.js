// Table: a frame of the simulated table. Mode "goal" marks where a thing should go, mode "steer" sends moves.
//
// data: { mode, alt, frame, reach: [x, y, width, height] | null, things: [{ name, at }], target, goal, fans, moved, plan,
// status, done }. Points are [x, y] in pixels of the frame. `fans` has for each iteration the candidates' paths, the
// cheapest first. `done` is how many moves the server has had.

const PIXELS = 64
const NEAR = 7 // pixels from a thing at which a drag begins on it
const ELITES = 5
const COLOURS = { candidate: "#222222", elite: "#0072b2", plan: "#d55e00", goal: "#c2007a" }
const KEYS = {
  ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", PageUp: "Raise", PageDown: "Lower", o: "Open", c: "Close",
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".table")
  const [stage, status, bar] = [".stage", ".status", ".bar"].map((name) => root.querySelector(name))
  const range = bar.querySelector("input")
  if (root.dataset.scene !== data.scene) {
    root.dataset.scene = data.scene
    root.cursor = data.goal ?? [PIXELS / 2, PIXELS / 2]
  }
  root.moves = (root.sent ?? 0) > data.done ? root.moves : []
  root.sent = Math.max(root.sent ?? 0, data.done)
  bar.hidden = !data.fans.length
  if (root.fans !== JSON.stringify(data.fans.at(-1))) {
    root.fans = JSON.stringify(data.fans.at(-1))
    ;[range.max, range.value] = [data.fans.length - 1, data.fans.length - 1]
  }
  let drag = null

  const svg = svgElement("svg", {
    viewBox: `0 0 ${PIXELS} ${PIXELS}`, width: "100%", tabindex: 0, role: "application", "aria-label": data.alt,
    style: `max-width: 460px; touch-action: ${data.mode === "goal" ? "none" : "auto"}`,
  })
  const focused = stage.contains(root.getRootNode().activeElement)
  stage.replaceChildren(svg)
  if (focused) svg.focus({ preventScroll: true })

  function line(points, colour, width, more = {}) {
    const attributes = { points: points.map((point) => point.join(",")).join(" "), fill: "none", stroke: colour, ...more }
    return svgElement("polyline", { ...attributes, "stroke-width": width, "stroke-linejoin": "round" })
  }

  function cross([x, y], colour, size) {
    const path = `M${x - size} ${y}h${2 * size}M${x} ${y - size}v${2 * size}`
    const shape = { d: path, fill: "none" }
    return [
      svgElement("path", { ...shape, stroke: "#ffffff", "stroke-width": 1.1 }),
      svgElement("path", { ...shape, stroke: colour, "stroke-width": 0.5 }),
    ]
  }

  function draw() {
    svg.replaceChildren(
      svgElement("image", { href: data.frame, width: PIXELS, height: PIXELS, style: "image-rendering: pixelated" })
    )
    if (data.reach) {
      const [x, y, width, height] = data.reach
      const frame = { x, y, width, height, fill: "none", stroke: "#222222", "stroke-opacity": 0.35 }
      svg.append(svgElement("rect", { ...frame, "stroke-width": 0.25, "stroke-dasharray": "1 1" }))
    }
    const fan = data.fans[Number(range.value)] ?? []
    fan.forEach((path, i) => i >= ELITES && svg.append(line(path, COLOURS.candidate, 0.2, { opacity: 0.45 })))
    fan.slice(0, ELITES).forEach((path) => svg.append(line(path, COLOURS.elite, 0.4, { opacity: 0.9 })))
    if (fan.length) svg.append(line(fan[0], COLOURS.plan, 0.7))
    if (data.plan) svg.append(line(data.plan, COLOURS.plan, 0.6, { "stroke-dasharray": "1 0.8" }))
    if (data.moved?.length) {
      svg.append(line(data.moved, "#ffffff", 1.2), line(data.moved, COLOURS.plan, 0.7))
      const [x, y] = data.moved.at(-1)
      svg.append(svgElement("circle", { cx: x, cy: y, r: 0.9, fill: COLOURS.plan, stroke: "#ffffff", "stroke-width": 0.3 }))
    }
    if (data.mode === "goal") drawMarks()
    range.setAttribute("aria-valuetext", `iteration ${Number(range.value) + 1} of ${data.fans.length}`)
    bar.querySelector("output").textContent = `iteration ${Number(range.value) + 1} of ${data.fans.length}`
  }

  function drawMarks() {
    const from = drag?.thing != null ? data.things[drag.thing] : data.things[data.target]
    const [x, y] = from.at
    svg.append(svgElement("circle", { cx: x, cy: y, r: 2, fill: "none", stroke: "#ffffff", "stroke-width": 1.1 }))
    svg.append(svgElement("circle", { cx: x, cy: y, r: 2, fill: "none", stroke: COLOURS.goal, "stroke-width": 0.5 }))
    const to = drag?.at ?? data.goal
    if (drag) svg.append(line([from.at, drag.at], COLOURS.goal, 0.4, { "stroke-dasharray": "1 0.6" }))
    if (to) {
      svg.append(...cross(to, COLOURS.goal, 2.4))
      svg.append(svgElement("circle", { cx: to[0], cy: to[1], r: 3, fill: "none", stroke: COLOURS.goal, "stroke-width": 0.4 }))
    }
    if (stage.contains(root.getRootNode().activeElement) && !drag) svg.append(...cross(root.cursor, "#222222", 1.4))
  }

  // --- marking ---

  const at = (event) => {
    const box = svg.getBoundingClientRect()
    const share = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
    return share.map((part) => Math.max(0, Math.min(PIXELS, Math.round(part * PIXELS * 10) / 10)))
  }
  const away = ([x, y], [a, b]) => Math.hypot(x - a, y - b)

  function mark(thing, goal) {
    root.cursor = goal
    say(`Goal for ${data.things[thing].name}: ${centimetres(goal)}. Planning…`)
    setStateValue("mark", { thing, goal, number: Date.now() })
  }

  const centimetres = ([x, y]) => `${(y / 2).toFixed(1)} cm down, ${(x / 2).toFixed(1)} cm to the right`
  const say = (text) => (status.textContent = text)

  if (data.mode === "steer") say(data.status)
  else {
    say(data.goal ? `Goal for ${data.things[data.target].name}: ${centimetres(data.goal)}.` : "")
    svg.onpointerdown = (event) => {
      svg.setPointerCapture(event.pointerId)
      const [nearest] = data.things.map((thing, i) => [away(thing.at, at(event)), i]).sort((a, b) => a[0] - b[0])
      drag = { start: at(event), at: at(event), thing: nearest[0] < NEAR ? nearest[1] : null }
      draw()
    }
    svg.onpointermove = (event) => drag && ((drag.at = at(event)), draw())
    svg.onpointercancel = () => ((drag = null), draw())
    svg.onpointerup = () => {
      if (!drag) return
      const { start, at: goal, thing } = drag
      drag = null
      mark(away(start, goal) > 2 && thing != null ? thing : data.target, goal)
      draw()
    }
  }
  svg.onkeydown = (event) => (data.mode === "goal" ? markByKey(event) : moveByKey(event))
  svg.onfocus = svg.onblur = draw

  function markByKey(event) {
    const [dx, dy] = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key] ?? []
    if (event.key === "Enter" || event.key === " ") mark(data.target, root.cursor)
    else if (dx !== undefined) {
      const far = event.shiftKey ? 5 : 1
      root.cursor = [root.cursor[0] + far * dx, root.cursor[1] + far * dy].map((p) => Math.max(0, Math.min(PIXELS, p)))
      say(`${centimetres(root.cursor)}; Enter sets the goal.`)
    } else return
    event.preventDefault()
    draw()
  }

  // --- steering ---

  function moveByKey(event) {
    const command = event.ctrlKey || event.metaKey
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
    let move = command ? null : KEYS[key]
    if (command && key === "z") move = event.shiftKey ? "Redo" : "Undo"
    if (command && key === "y") move = "Redo"
    if (!move) return
    event.preventDefault()
    root.moves = [...root.moves, move].slice(-50)
    root.sent += 1
    say(`${move} …`)
    setStateValue("moves", { count: root.sent, last: root.moves })
  }

  range.oninput = draw
  draw()
}
