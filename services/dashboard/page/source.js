// SPDX-License-Identifier: Apache-2.0
// Asks the API, and hears of changes: one event stream, read by fetch so that it can carry the
// token; where streams do not get through, by asking every few seconds.
const ROOT = "api/v1/";
const QUIET_MS = 25000, POLL_MS = 5000, STREAM_TRIES = 3, RETRY_MS = 2000;

export class Problem extends Error {
	// sent: the token that was sent, if any.
	constructor(status, problem, sent) {
		super(problem.detail ?? "");
		this.sent = sent;
		this.status = status;
		this.title = problem.title ?? "";
		this.since = problem.since;
	}
}

// Only what can be in a header is ever kept or sent.
export const token = {
	good: (value) => /^[\x20-\x7e]+$/.test(value),
	get() {
		const kept = sessionStorage.getItem("token") ?? "";
		return this.good(kept) ? kept : null;
	},
	set: (value) => sessionStorage.setItem("token", value),
};

function headers(more = {}) {
	return token.get() ? { ...more, Authorization: `Bearer ${token.get()}` } : more;
}

export const path = (...parts) => parts.map(encodeURIComponent).join("/");

// unreached, of an error: nobody was there to answer.
async function reach(where, options) {
	try {
		return await fetch(ROOT + where, { ...options, headers: headers(options.headers) });
	} catch (error) {
		throw Object.assign(error, { unreached: error.name !== "AbortError" });
	}
}

export async function ask(where, options = {}) {
	const sent = token.get(), answer = await reach(where, options);
	if (answer.ok)
		return answer.json();
	throw new Problem(answer.status, await answer.json().catch(() => ({})), sent);
}

// The same, null where there is nothing.
export async function askOrNull(where) {
	try {
		return await ask(where);
	} catch (error) {
		if (error instanceof Problem && error.status === 404)
			return null;
		throw error;
	}
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Calls hear({ kind: "live" | "away" | "lost" | "denied", data, how }) for ever.
export async function follow(hear) {
	let last = "", failures = 0, away = false;

	for (;;) {
		try {
			if (failures < STREAM_TRIES)
				await stream();
			else
				await poll();
		} catch (error) {
			away ||= error.unreached || failures >= STREAM_TRIES;
			failures++;
			hear({ kind: error.status === 401 ? "denied" : error.status === 503 ? "away" : "lost",
				data: { since: error.since, sent: error.sent } });
		}
		await pause(RETRY_MS);
	}

	async function poll() {
		const data = await ask("live");
		hear({ kind: "live", data, how: "polling" });
		await pause(POLL_MS - RETRY_MS);
		// A stream may get through again: at once where nothing did, or one day.
		if (away || ++failures > STREAM_TRIES + 20)
			failures = STREAM_TRIES - 1;
		away = false;
	}

	async function stream() {
		const control = new AbortController(), sent = token.get();
		let watch = setTimeout(() => control.abort(), QUIET_MS);
		const answer = await reach("stream", { signal: control.signal,
			headers: last ? { "Last-Event-ID": last } : {} });
		if (!answer.ok) {
			clearTimeout(watch);
			throw new Problem(answer.status, await answer.json().catch(() => ({})), sent);
		}
		const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
		let text = "";
		hear({ kind: "live", how: "live" });
		for (;;) {
			const { value, done } = await reader.read();
			clearTimeout(watch);
			if (done)
				throw new Problem(0, {});
			watch = setTimeout(() => control.abort(), QUIET_MS);
			failures = 0;
			away = false;
			text += value;
			for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
				take(text.slice(0, end));
				text = text.slice(end + 2);
			}
		}
	}

	function take(block) {
		let kind = "message", data = "";
		for (const line of block.split("\n")) {
			if (line.startsWith("id: "))
				last = line.slice(4);
			else if (line.startsWith("event: "))
				kind = line.slice(7);
			else if (line.startsWith("data: "))
				data += line.slice(6);
		}
		if (data)
			hear({ kind, data: JSON.parse(data), how: "live" });
	}
}
