// Shared by the pictures of the latent space: colours, elements, downloads. Each picture's file follows this one.

const SVG = "http://www.w3.org/2000/svg"

/** The colours of Streamlit's theme, as in the element's CSS variables. */
function themeOf(element) {
  const style = getComputedStyle(element)
  const value = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise
  const background = value("--st-background-color", "#ffffff")
  return {
    background,
    text: value("--st-text-color", "#111111"),
    border: value("--st-border-color", "#cccccc"),
    panel: value("--st-secondary-background-color", "#f0f2f6"),
    accent: value("--st-primary-color", "#1d4ed8"),
    font: value("--st-font", "sans-serif"),
    dark: luminance(background) < 0.5,
  }
}

/** Perceived lightness of a colour such as #rrggbb or rgb(…), 0 to 1. */
function luminance(colour) {
  const canvas = document.createElement("canvas").getContext("2d")
  canvas.fillStyle = colour
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(canvas.fillStyle.slice(i, i + 2), 16) / 255)
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

/** A hue for each name, far from those of the names just before it: steps of the golden angle. */
function hues(names) {
  const found = new Map()
  for (const name of names) if (!found.has(name)) found.set(name, (found.size * 137.508 + 205) % 360)
  return found
}

/** The fill of a verb: the surer, the more saturated. `sure` is from 0 to 1. */
function fill(hue, sure, dark) {
  return dark
    ? `hsl(${hue} ${Math.round(18 + 40 * sure)}% ${Math.round(22 + 14 * sure)}%)`
    : `hsl(${hue} ${Math.round(20 + 60 * sure)}% ${Math.round(95 - 21 * sure)}%)`
}

function svgElement(name, attributes, text) {
  const element = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  if (text !== undefined) element.textContent = text
  return element
}

function htmlElement(name, attributes = {}, text) {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  if (text !== undefined) element.textContent = text
  return element
}

/** A row of buttons that save a picture: { PNG: () => Blob or a promise of one, … }. */
function saveButtons(place, name, makers) {
  place.replaceChildren()
  for (const [kind, make] of Object.entries(makers)) {
    const button = htmlElement("button", { type: "button", "aria-label": `Save as ${kind}` }, kind)
    button.onclick = async () => {
      const link = htmlElement("a", { href: URL.createObjectURL(await make()), download: `${name}.${kind.toLowerCase()}` })
      link.click()
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
    }
    place.append(button)
  }
}

const csvBlob = (rows) =>
  new Blob([rows.map((row) => row.map((cell) => `"${String(cell).replaceAll('"', '""')}"`).join(",")).join("\n")], {
    type: "text/csv",
  })

function svgBlob(svg) {
  return new Blob([new XMLSerializer().serializeToString(svg)], { type: "image/svg+xml" })
}

/** An SVG as a PNG of twice its size. */
async function pngOfSvg(svg, background) {
  const image = new Image()
  image.src = URL.createObjectURL(svgBlob(svg))
  await image.decode()
  const canvas = htmlElement("canvas")
  ;[canvas.width, canvas.height] = [2 * svg.width.baseVal.value, 2 * svg.height.baseVal.value]
  const context = canvas.getContext("2d")
  context.fillStyle = background
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.drawImage(image, 0, 0, canvas.width, canvas.height)
  return pngOfCanvas(canvas)
}

const pngOfCanvas = (canvas) => new Promise((done) => canvas.toBlob(done, "image/png"))

/** Call `draw` now and whenever the element's width changes; a second call for the same element replaces the first. */
const observers = new WeakMap()
function drawAtEveryWidth(element, draw) {
  observers.get(element)?.disconnect()
  let width = 0
  const observer = new ResizeObserver(() => {
    if (element.clientWidth && element.clientWidth !== width) draw((width = element.clientWidth))
  })
  observers.set(element, observer)
  observer.observe(element)
  if (element.clientWidth) draw((width = element.clientWidth))
  return () => observer.disconnect()
}

/** A button plays a slider to its end, a step every so many milliseconds; `show` follows. Returns what pauses it. */
function playable(range, button, show, milliseconds) {
  button.pause?.() // by the data before
  let timer = null
  const pause = () => {
    clearInterval(timer)
    timer = null
    button.textContent = "▶ Play"
  }
  const atEnd = () => Number(range.value) >= Number(range.max)
  button.onclick = () => {
    if (timer) return pause()
    if (atEnd()) range.value = 0
    button.textContent = "⏸ Pause"
    timer = setInterval(() => {
      range.value = Number(range.value) + 1
      show()
      if (atEnd()) pause()
    }, milliseconds)
  }
  range.oninput = () => (pause(), show())
  return (button.pause = pause)
}
