// What a person can have done, each after a question.

import { change } from "./api.js";
import { byId, element } from "./element.js";
import { plural } from "./format.js";

const NOTICE_MS = 8000;

const server = ({ upstream, server: address }) => `api/v1/upstreams/${encodeURIComponent(upstream)}/servers/${encodeURIComponent(address)}`;

const ACTIONS = {
  reload: {
    title: () => "Reload the configuration?",
    text: () => "The file is read again. What is unchanged keeps its connections, counters and health. A file with a mistake changes nothing.",
    verb: "Reload",
    run: () => change("api/v1/reload", "POST"),
    done: (answer) => (answer.changes.length > 0 ? `Reloaded:\n${answer.changes.map(changeLine).join("\n")}` : "Reloaded. Nothing has changed."),
  },
  drain: {
    title: (wanted) => (wanted.server ? `Drain ${wanted.server}?` : "Drain and end the process?"),
    text: (wanted) => (wanted.server
      ? `It gets no new requests of ${wanted.upstream}; those in progress go on.`
      : "It stops accepting connections, finishes what is in progress and ends. Nothing starts it again unless a supervisor does."),
    verb: "Drain",
    run: (wanted) => (wanted.server ? change(`${server(wanted)}?state=draining`, "PUT") : change("api/v1/drain", "POST")),
    done: (_, wanted) => (wanted.server ? `${wanted.server} drains.` : "The process drains."),
  },
  disable: {
    title: (wanted) => `Disable ${wanted.server}?`,
    text: (wanted) => `It gets no new requests of ${wanted.upstream} and is not checked, until somebody enables it.`,
    verb: "Disable",
    run: (wanted) => change(`${server(wanted)}?state=disabled`, "PUT"),
    done: (_, wanted) => `${wanted.server} is disabled.`,
  },
  enable: {
    title: (wanted) => `Enable ${wanted.server}?`,
    text: (wanted) => `It gets requests of ${wanted.upstream} again.`,
    verb: "Enable",
    run: (wanted) => change(`${server(wanted)}?state=in_service`, "PUT"),
    done: (_, wanted) => `${wanted.server} is enabled.`,
  },
  retry: {
    title: (wanted) => `Retry ${plural(Number(wanted.dead), "dead letter", "dead letters")}?`,
    text: (wanted) => `They are sent to ${wanted.server} once more, behind what waits for it.`,
    verb: "Retry",
    run: (wanted) => change(`api/v1/queues/${encodeURIComponent(wanted.queue)}/retry?server=${encodeURIComponent(wanted.server)}&dead=true`, "POST"),
    done: (_, wanted) => `Dead letters of ${wanted.server} are sent again.`,
  },
};

const changeLine = ({ what, how, name }) => `${what} ${name}: ${how}`;

export async function perform(name, wanted) {
  const action = ACTIONS[name];
  const kept = { ...wanted };
  if (!action || !(await confirmed(action, kept))) return;
  try {
    notice(action.done(await action.run(kept), kept), "good");
  } catch (error) {
    notice(error.message, "bad");
  }
}

function confirmed(action, wanted) {
  const dialog = byId("question");
  dialog.querySelector("h3").textContent = action.title(wanted);
  dialog.querySelector("p").textContent = action.text(wanted);
  dialog.querySelector("button[value=yes]").textContent = action.verb;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}

function notice(text, kind) {
  const shown = element("p", { class: kind }, text);
  byId("notice").append(shown);
  setTimeout(() => shown.remove(), NOTICE_MS);
}
