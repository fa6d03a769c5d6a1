// Plots of the last five minutes.

import { shape } from "./element.js";

const WIDTH = 400;
const HEIGHT = 140;
const LEFT = 44;
const BOTTOM = 18;
const SECONDS = 300;

// `series`: [{kind, values: [number or null]}], stacked as areas or drawn as curves; `label` writes a value.
export function plot(place, times, series, { stacked, label, title }) {
  const now = times.at(-1) ?? 0;
  const x = (at) => LEFT + (WIDTH - LEFT) * Math.max(0, 1 - (now - at) / SECONDS);
  const sums = stacked
    ? times.map((_, at) => series.reduce((sum, one) => sum + one.values[at], 0))
    : series.flatMap((one) => one.values.filter((value) => Number.isFinite(value)));
  const top = ceiling(Math.max(...sums, 0));
  const y = (value) => (HEIGHT - BOTTOM) * (1 - Math.min(value, top) / top) + 4;

  const lines = [0, 0.5, 1].flatMap((part) => [
    shape("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y(part * top), y2: y(part * top) }),
    shape("text", { x: LEFT - 6, y: y(part * top) + 4, "text-anchor": "end" }, label(part * top)),
  ]);
  const marks = [300, 240, 180, 120, 60, 0].map((back) =>
    shape("text", { x: x(now - back), y: HEIGHT + 4, "text-anchor": back === 0 ? "end" : "middle" }, back === 0 ? "now" : `−${back / 60} min`));
  const drawn = stacked ? areas(times, series, x, y) : curves(times, series, x, y);
  const made = shape("svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT + 8}`, preserveAspectRatio: "none", role: "img", "aria-label": title }, lines, drawn, marks);
  made.setAttribute("preserveAspectRatio", "xMidYMid meet");
  const old = place.querySelector("svg.plot");
  if (old) old.replaceWith(made);
  else place.append(made);
}

function areas(times, series, x, y) {
  const floor = times.map(() => 0);
  return series.map((one) => {
    const low = floor.map((value, at) => `${x(times[at]).toFixed(1)},${y(value).toFixed(1)}`).reverse();
    one.values.forEach((value, at) => { floor[at] += value; });
    const high = floor.map((value, at) => `${x(times[at]).toFixed(1)},${y(value).toFixed(1)}`);
    return shape("polygon", { class: `area ${one.kind}`, points: [...high, ...low].join(" ") });
  });
}

function curves(times, series, x, y) {
  return series.map((one) => {
    let path = "";
    let down = false;
    one.values.forEach((value, at) => {
      if (value === null) {
        down = false;
        return;
      }
      path += `${down ? "L" : "M"}${x(times[at]).toFixed(1)} ${y(value).toFixed(1)}`;
      down = true;
    });
    return shape("path", { class: `curve ${one.kind}`, d: path });
  });
}

// The next of 1, 2, 5, 10, … that is not below.
export function ceiling(value) {
  if (!(value > 0)) return 1;
  const size = 10 ** Math.floor(Math.log10(value));
  for (const step of [1, 2, 5, 10]) {
    if (value <= step * size * 1.0000001) return step * size;
  }
  return 10 * size;
}
