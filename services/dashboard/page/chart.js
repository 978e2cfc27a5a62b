// SPDX-License-Identifier: Apache-2.0
// Lines over the days of a month, and bars, as SVG. What they show is also in a table beside them:
// the picture itself is one image with a name for those who cannot see it. It is drawn for the width
// it gets, so that its texts are as large as those around it.
const SPACE = "http://www.w3.org/2000/svg";
const LEFT = 56, RIGHT = 14, TOP = 14, BOTTOM = 30, WIDE = 560;

function shape(name, attributes, text) {
	const node = document.createElementNS(SPACE, name);
	for (const [key, value] of Object.entries(attributes))
		node.setAttribute(key, value);
	if (text !== undefined)
		node.textContent = text;
	return node;
}

// A number at or above the value whose quarters are round, too.
function above(value) {
	const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
	return [1, 1.2, 1.6, 2, 4, 6, 8, 10].map((step) => step * power).find((most) => most >= value);
}

// series: [{ name: "now" | "then", values: [number] }]; value 1 is the first day.
export function lines(label, series, format, width) {
	const most = above(Math.max(1, ...series.flatMap((one) => one.values)));
	const least = Math.min(0, ...series.flatMap((one) => one.values));
	const height = width < WIDE ? 200 : 260;
	const x = (day) => LEFT + (day - 1) * (width - LEFT - RIGHT) / 30;
	const y = (value) => TOP + (most - value) * (height - TOP - BOTTOM) / (most - least);
	const svg = shape("svg", { class: "lines", viewBox: `0 0 ${width} ${height}`, role: "img",
		"aria-label": label });
	for (const share of [0, 0.25, 0.5, 0.75, 1]) {
		const value = Math.round(most * share);
		svg.append(shape("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value),
			y2: y(value) }));
		svg.append(shape("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" },
			format(value)));
	}
	for (const day of [1, 5, 10, 15, 20, 25, 31])
		svg.append(shape("text", { x: x(day), y: height - 10, "text-anchor": "middle" }, day));
	for (const one of series) {
		const points = one.values.map((value, at) => `${x(at + 1)},${y(value)}`);
		if (!points.length)
			continue;
		const [cx, cy] = points.at(-1).split(",");
		if (one.name === "now")
			svg.append(shape("polygon", { class: "area",
				points: [`${x(1)},${y(0)}`, ...points, `${cx},${y(0)}`].join(" ") }));
		svg.append(shape("polyline", { class: one.name, points: points.join(" ") }));
		svg.append(shape("circle", { class: `end ${one.name}`, cx, cy, r: 4 }));
	}
	return svg;
}

// How much of the most it is, for the eye alone: the number stands beside it.
export function bar(value, most) {
	const share = most > 0 ? Math.max(0, Math.min(100, value / most * 100)) : 0;
	const svg = shape("svg", { class: "bar", viewBox: "0 0 100 8", "aria-hidden": "true",
		preserveAspectRatio: "none" });
	svg.append(shape("rect", { x: 0, y: 0, height: 8, width: share.toFixed(1) }));
	return svg;
}
