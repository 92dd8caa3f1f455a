// Player: clips of one length side by side; a button plays them, a slider chooses the frame.
//
// data: { clips: [{ name, strip }], frames, start, milliseconds }, a strip being the frames of a clip from left to right

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".player")
  const [stage, range, play, output] = [".stage", "input", ".play", "output"].map((name) => root.querySelector(name))
  const last = data.frames - 1
  range.max = last
  stage.style = `display: grid; gap: 12px; grid-template-columns: repeat(${data.clips.length}, minmax(0, 300px))`
  stage.replaceChildren(...data.clips.map(pane))
  const shown = JSON.stringify([data.start, data.clips])
  if (root.shown !== shown) {
    root.shown = shown // other clips, or another start: the page says where to begin
    range.value = data.start
  }

  function show() {
    const at = Number(range.value)
    for (const picture of stage.querySelectorAll("[role=img]")) picture.style.backgroundPosition = `${(100 * at) / last}% 0`
    output.textContent = `frame ${at}`
    range.setAttribute("aria-valuetext", `frame ${at} of 0 to ${last}`)
  }

  const pause = playable(range, play, show, data.milliseconds)
  show()
  return pause

  function pane({ name, strip }) {
    const figure = htmlElement("figure", { style: "margin: 0" })
    const size = `background: url(${strip}) 0 0 / ${100 * data.frames}% 100%; image-rendering: pixelated`
    figure.append(
      htmlElement("figcaption", { style: "margin-bottom: 4px" }, name),
      htmlElement("div", { role: "img", "aria-label": name, style: `aspect-ratio: 1; border-radius: 4px; ${size}` })
    )
    return figure
  }
}
