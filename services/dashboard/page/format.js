// SPDX-License-Identifier: Apache-2.0
// Numbers, money and instants as people read them. Amounts are whole minor units (fen) and stay
// whole: they are cut at the decimal point, never divided.
import { language, word } from "./words.js";

const locale = () => (language() === "zh" ? "zh-CN" : "en-GB");

export const MONEY = new Set(["order_amount", "subscribed_amount", "signed_amount",
	"mortgaged_amount", "collected", "refunded", "cancelled_amount", "commission", "accrued",
	"clawed_back", "held", "payable", "settled"]);

export function count(value) {
	return new Intl.NumberFormat(locale()).format(value ?? 0);
}

// So many in so many ms, by the second: one decimal where it is few.
export function speed(many, ms) {
	const each = many * 1000 / ms;
	return new Intl.NumberFormat(locale(), { maximumFractionDigits: each < 10 ? 1 : 0 }).format(each);
}

export function money(minor) {
	const whole = BigInt(minor ?? 0), size = whole < 0n ? -whole : whole;
	const cents = String(size % 100n).padStart(2, "0");
	return `${whole < 0n ? "\u2212" : ""}${new Intl.NumberFormat(locale()).format(size / 100n)}.${cents}`;
}

// For an axis: 1.2M, 120\u4e07. Minor units.
export function brief(minor) {
	return new Intl.NumberFormat(locale(), { notation: "compact", maximumFractionDigits: 1 })
		.format(minor / 100);
}

export function figure(name, value) {
	return MONEY.has(name) ? money(value) : count(value);
}

// 12,500 ppm: 1.25 %
export function rate(ppm) {
	const digits = String(Math.trunc(ppm % 10000)).padStart(4, "0").replace(/0+$/, "");
	return `${Math.trunc(ppm / 10000)}${digits ? "." + digits : ""} %`;
}

export function instant(text) {
	if (!text)
		return "\u2013";
	return new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "medium" })
		.format(new Date(text));
}

// How a figure stands against another: a share in per cent, and which way.
export function against(now, then) {
	if (!then)
		return { text: "\u2013", way: "" };
	const share = (Number(now) - Number(then)) / Math.abs(Number(then)) * 100;
	const sign = share > 0 ? "+" : share < 0 ? "\u2212" : "\u00b1";
	return { text: `${sign}${Math.abs(share).toFixed(1)} %`,
		way: share > 0 ? "up" : share < 0 ? "down" : "" };
}

export function age(text, now = Date.now()) {
	const seconds = Math.max(0, Math.round((now - new Date(text)) / 1000));
	for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]])
		if (seconds >= size || unit === "second")
			return new Intl.RelativeTimeFormat(locale(), { numeric: "always" })
				.format(-Math.floor(seconds / size), unit);
	return word("now");
}

// A month so many months away from "2026-03", a day so many days before "2026-03-05".
export function monthAway(month, months) {
	const [year, number] = month.split("-").map(Number);
	const at = year * 12 + number - 1 + months;
	return `${Math.floor(at / 12)}-${String(at % 12 + 1).padStart(2, "0")}`;
}

export const isMonth = (period) => /^\d{4}-\d\d$/.test(period ?? "");

export function dayBefore(day, days) {
	return new Date(Date.parse(`${day}T00:00:00Z`) - days * 86400000).toISOString().slice(0, 10);
}
