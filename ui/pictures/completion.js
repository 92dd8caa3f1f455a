// Completion: pictures of one digit side by side; a click on a quadrant of the first shows or hides it.
//
// data: { pictures: [{ src, caption }], visible: [true, …], names: ["top left", …] }

const PLACES = ["top: 0; left: 0", "top: 0; left: 50%", "top: 50%; left: 0", "top: 50%; left: 50%"]

export default function ({ data, parentElement, setTriggerValue }) {
  const stage = parentElement.querySelector(".stage")
  stage.style = "display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(96px, 1fr))"
  const figures = [...stage.children]
  data.pictures.forEach(({ src, caption }, i) => {
    const figure = figures[i] ?? stage.appendChild(empty(i === 0))
    const image = figure.querySelector("img")
    image.src = src
    image.alt = caption
    figure.querySelector("figcaption").textContent = caption
  })
  stage.querySelectorAll("button").forEach((button, quadrant) => {
    button.setAttribute("aria-checked", data.visible[quadrant])
    button.setAttribute("aria-label", `${data.names[quadrant]} quadrant visible`)
    button.title = data.visible[quadrant] ? "Hide" : "Show"
    button.textContent = data.visible[quadrant] ? "" : "?"
    button.style.background = data.visible[quadrant] ? "transparent" : "#47699c"
    button.onclick = () => setTriggerValue("toggled", data.names[quadrant])
  })
}

function empty(clickable) {
  const figure = htmlElement("figure", { style: "margin: 0" })
  const frame = htmlElement("div", { style: "position: relative" })
  frame.append(htmlElement("img", { style: "display: block; width: 100%; image-rendering: pixelated; border-radius: 4px" }))
  for (const place of clickable ? PLACES : []) {
    const look = "position: absolute; width: 50%; height: 50%; border: 1px solid #888; border-radius: 0; outline-offset: -3px"
    frame.append(htmlElement("button", { type: "button", role: "switch", style: `${place}; ${look}; color: white; font-size: 20px` }))
  }
  figure.append(frame, htmlElement("figcaption", { style: "margin-top: 4px" }))
  return figure
}
