// Upstreams and their servers: state, reasons, and what can be done with one.

import { read } from "./api.js";
import { element, pill, table } from "./element.js";
import { isDown } from "./findings.js";
import { age, clock, count, duration, plural, rate } from "./format.js";
import { serverKey } from "./model.js";

const COLUMNS = [
  { name: "Server" }, { name: "State" }, { name: "Requests", number: true }, { name: "In flight", number: true },
  { name: "p50", number: true }, { name: "p99", number: true }, { name: "Failures", number: true },
  { name: "Connections", number: true }, { name: "", kind: "actions" },
];

export function drawServers(now, history) {
  if (now.upstreams.length === 0) return element("p", { class: "empty" }, "There are no upstreams.");
  return now.upstreams.map((upstream) => element("section", { class: "upstream" },
    element("h3", {}, upstream.name, " ", element("small", {}, about(upstream))),
    upstream.servers.length === 0
      ? element("p", { class: "empty" }, "It has no servers.")
      : table(COLUMNS, upstream.servers.map((server) => row(upstream, server, now, history)), true)));
}

function about(upstream) {
  return [upstream.retries_total > 0 && plural(upstream.retries_total, "retry", "retries"),
    upstream.requests_waiting > 0 && `${upstream.requests_waiting} waiting`].filter(Boolean).join(" · ");
}

function row(upstream, server, now, history) {
  return [
    [element("span", { class: "mono" }, server.address), reasons(upstream, server)],
    [state(server), element("span", { class: "quiet" }, ` ${since(server, now)}`)],
    rate(history.rate(serverKey(upstream.name, server.address))),
    count(server.requests_in_flight),
    duration(server.p50_seconds),
    duration(server.p99_seconds),
    count(server.failures_total),
    count(server.connections_open),
    actions(upstream, server),
  ];
}

function state(server) {
  if (server.is_ejected) return pill("ejected", "bad", "it failed too often; it gets trials");
  const kinds = { HEALTHY: "good", UNREACHABLE: "bad", NOT_INITIATED: "none", DRAINING: "warn", DISABLED: "warn" };
  return pill(words(server.state), kinds[server.state] ?? "none");
}

// Changes of servers that somebody has opened the history of.
const told = new Map();

function reasons(upstream, server) {
  const key = `${upstream.name} ${server.address}`;
  const lines = told.get(key)?.map((change) =>
    element("li", {}, `${clock(change.at_seconds)}  ${words(change.from)} → ${words(change.to)}: ${change.reason}`));
  const summary = isDown(server) && server.reason ? server.reason : "history";
  return element("details", { "data-key": key, "data-upstream": upstream.name, "data-server": server.address },
    element("summary", {}, summary),
    lines?.length === 0 ? element("p", { class: "quiet" }, "Its state has never changed.") : element("ol", { class: "changes" }, lines ?? []));
}

// Asks for the changes of a server whose history is opened. Returns whether there is something new to draw.
export async function tell({ key, upstream, server }) {
  const said = await read(`api/v1/upstreams/${encodeURIComponent(upstream)}/servers/${encodeURIComponent(server)}`);
  told.set(key, [...said.changes].reverse());
}

const words = (state) => (state ?? "").toLowerCase().replace("_", " ");

function actions(upstream, server) {
  const button = (text, wanted, grave) => element("button", {
    type: "button", class: `small ${grave ? "grave" : ""}`, "data-act": wanted,
    "data-upstream": upstream.name, "data-server": server.address, "data-key": `${wanted} ${upstream.name} ${server.address}`,
  }, text);
  const taken = server.state === "DRAINING" || server.state === "DISABLED";
  return taken
    ? [button("Enable", "enable", false)]
    : [button("Drain", "drain", false), " ", button("Disable", "disable", true)];
}

// One whose state has never changed has it since the process began, which the head of the page says.
function since(server, now) {
  return server.since_seconds > 0 ? age(now.at - server.since_seconds) : "";
}
