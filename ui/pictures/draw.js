// Draw: a square on which a digit is drawn by mouse, pen or touch; the strokes are sent while they grow.
//
// data: { strokes, side, pen, rubber, alt }. A stroke is { erase, points: [[x, y], …] }, x and y from 0 to `side`; `pen`
// and `rubber` are the widths of their lines. The strokes of `data` are drawn at first only: then the browser has them.

const PERIOD = 250 // ms between two messages while a stroke grows

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".draw")
  const canvas = root.querySelector("canvas")
  const [pen, eraser, undo, clear] = root.querySelectorAll("button")
  root.strokes ??= structuredClone(data.strokes)
  root.erase ??= false
  canvas.setAttribute("aria-label", data.alt)

  const send = () => {
    root.sent = Date.now()
    setStateValue("strokes", structuredClone(root.strokes))
  }

  function draw() {
    const scale = (canvas.clientWidth * (window.devicePixelRatio || 1)) / data.side
    canvas.width = canvas.height = Math.round(data.side * scale)
    const context = canvas.getContext("2d")
    context.scale(scale, scale)
    context.fillRect(0, 0, data.side, data.side)
    context.lineCap = context.lineJoin = "round"
    for (const { erase, points } of root.strokes) {
      context.strokeStyle = erase ? "black" : "white"
      context.lineWidth = erase ? data.rubber : data.pen
      context.beginPath()
      points.forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](x, y))
      context.lineTo(points.at(-1)[0] + 0.01, points.at(-1)[1]) // a point, too, is drawn: a line without length is not
      context.stroke()
    }
    undo.disabled = clear.disabled = !root.strokes.length
    pen.setAttribute("aria-pressed", !root.erase)
    eraser.setAttribute("aria-pressed", root.erase)
  }

  const change = (action) => () => {
    action()
    draw()
  }
  pen.onclick = change(() => (root.erase = false))
  eraser.onclick = change(() => (root.erase = true))
  undo.onclick = change(() => (root.strokes.pop(), send()))
  clear.onclick = change(() => ((root.strokes = []), send()))

  const pointOf = (event) => {
    const box = canvas.getBoundingClientRect()
    const share = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
    return share.map((s) => Math.round(Math.max(0, Math.min(1, s)) * data.side))
  }
  canvas.onpointerdown = (event) => {
    if (event.button) return
    canvas.setPointerCapture(event.pointerId)
    root.pointer = event.pointerId
    root.strokes.push({ erase: root.erase, points: [pointOf(event)] })
    draw()
  }
  canvas.onpointermove = (event) => {
    if (root.pointer !== event.pointerId) return
    const { points } = root.strokes.at(-1)
    const point = pointOf(event)
    if (Math.hypot(point[0] - points.at(-1)[0], point[1] - points.at(-1)[1]) < 2) return
    points.push(point)
    draw()
    if (Date.now() - (root.sent ?? 0) > PERIOD) send()
  }
  canvas.onpointerup = canvas.onpointercancel = (event) => {
    if (root.pointer !== event.pointerId) return
    root.pointer = undefined
    send()
  }

  draw()
  return drawAtEveryWidth(root.querySelector(".stage"), draw)
}
