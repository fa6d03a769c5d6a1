// What waits for servers, and what will never be delivered unless somebody says so.

import { element, pill, table } from "./element.js";
import { age, bytes, count, plural } from "./format.js";

const COLUMNS = [
  { name: "Server" }, { name: "Gate" }, { name: "Waiting", number: true }, { name: "Oldest", number: true },
  { name: "Dead letters", number: true }, { name: "Delivered", number: true }, { name: "Last failure", kind: "wide" }, { name: "", kind: "actions" },
];

export function drawQueues(queues) {
  return queues.map((queue) => element("section", { class: "upstream" },
    element("h3", {}, queue.name, " ", element("small", {}, about(queue))),
    table(COLUMNS, queue.servers.map((server) => row(queue, server)), true)));
}

function about(queue) {
  return [
    queue.durable ? "in a file" : "in memory",
    `${plural(queue.backlog_writes, "write waits", "writes wait")} (${bytes(queue.backlog_bytes)})`,
    plural(queue.dead_writes, "dead letter", "dead letters"),
  ].join(" · ");
}

function row(queue, server) {
  return [
    [element("span", { class: "mono" }, server.server), server.orphaned && element("span", { class: "quiet" }, " no longer in the configuration")],
    server.backlog > 0 ? pill("catching up", "warn") : pill(server.gate === "open" ? "live" : "closed", server.gate === "open" ? "good" : "warn"),
    count(server.backlog),
    server.backlog > 0 ? age(server.oldest_age_seconds) : "–",
    count(server.dead),
    count(server.counts.delivered_total),
    server.last_failure ?? "–",
    server.dead > 0 && element("button", {
      type: "button", class: "small", "data-act": "retry", "data-queue": queue.name, "data-server": server.server,
      "data-dead": server.dead, "data-key": `retry ${queue.name} ${server.server}`,
    }, "Retry dead letters"),
  ];
}
