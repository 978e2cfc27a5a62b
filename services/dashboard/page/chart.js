// SPDX-License-Identifier: Apache-2.0
// Lines over the days of a month, as SVG. What it shows is also in a table beside it: the picture
// itself is one image with a name for those who cannot see it.
const SPACE = "http://www.w3.org/2000/svg";
const WIDTH = 720, HEIGHT = 260, LEFT = 84, RIGHT = 12, TOP = 14, BOTTOM = 30;

function shape(name, attributes, text) {
	const node = document.createElementNS(SPACE, name);
	for (const [key, value] of Object.entries(attributes))
		node.setAttribute(key, value);
	if (text !== undefined)
		node.textContent = text;
	return node;
}

// A round number at or above the value: 1, 2 or 5 times a power of ten.
function above(value) {
	const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
	return [1, 2, 5, 10].map((step) => step * power).find((most) => most >= value);
}

// series: [{ name: "now" | "then", values: [number] }]; value 1 is the first day.
export function lines(label, series, format) {
	const most = above(Math.max(1, ...series.flatMap((one) => one.values)));
	const least = Math.min(0, ...series.flatMap((one) => one.values));
	const x = (day) => LEFT + (day - 1) * (WIDTH - LEFT - RIGHT) / 30;
	const y = (value) => TOP + (most - value) * (HEIGHT - TOP - BOTTOM) / (most - least);
	const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label });
	for (const share of [0, 0.25, 0.5, 0.75, 1]) {
		const value = Math.round(most * share);
		svg.append(shape("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value),
			y2: y(value) }));
		svg.append(shape("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" },
			format(value)));
	}
	for (const day of [1, 5, 10, 15, 20, 25, 31])
		svg.append(shape("text", { x: x(day), y: HEIGHT - 10, "text-anchor": "middle" }, day));
	for (const one of series) {
		const points = one.values.map((value, at) => `${x(at + 1)},${y(value)}`);
		svg.append(shape("polyline", { class: one.name, points: points.join(" ") }));
		const [cx, cy] = (points.at(-1) ?? "0,0").split(",");
		if (points.length)
			svg.append(shape("circle", { class: one.name, cx, cy, r: 3 }));
	}
	return svg;
}
