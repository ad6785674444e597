// ctx: what a tool tells and asks the client of its call, and makes of content. It is a global, and the second
// parameter of main. A question waits until the event loop turns, so that those of one turn are put together.
class ClientError extends Error {
  name = "ClientError";
  constructor(reason, message) {
    super(message);
    this.reason = reason;
  }
}

const ADVICE = {
  refused: "; catch ctx.ClientError to go on without an answer",
  unsupported: "; look with ctx.can(…) whether the client can, or say with ctx.require(…) that it has to",
  unanswered: "; the call can be made again",
  invalid: "",
};
const clientError = (reason, message) => new ClientError(reason, `${message}${ADVICE[reason]}`);

// In the order of the contract's flags.
const ABILITIES = ["elicitation", "elicitationUrl", "sampling", "samplingTools", "roots", "tasks"];
const abilities = (names) => {
  if (names.length === 0) throw new TypeError(`which of them: ${ABILITIES.join(", ")}?`);
  let flags = 0;
  for (const name of names) {
    const at = ABILITIES.indexOf(name);
    if (at < 0) throw new TypeError(`clients have no ability ${quote(`${name}`)}; there are ${ABILITIES.join(", ")}`);
    flags |= 1 << at;
  }
  return flags;
};

// --- questions ---

const KEY = /^[A-Za-z0-9_-]{1,64}$/;
// All of this call by their keys, and those of them that nobody has heard yet.
const questions = new Map();
let waiting = [];
// How often the same was asked without a key.
const repeated = new Map();

const derivedKey = (word, params) => {
  const said = utf8(params);
  const digest = new Uint8Array(host.digest("SHA-256", said.buffer, 0, said.length), 0, 8);
  const name = `${word}-${[...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  const times = (repeated.get(name) ?? 0) + 1;
  repeated.set(name, times);
  return times === 1 ? name : `${name}-${times}`;
};

// The answer, read. A key that was used before has the answer that it had.
const ask = async (word, method, params, given, read) => {
  // The stack of an error is made where it is made; a failed question should name the line that asked.
  const asked = new Error();
  try {
    const json = paired(stringify(params));
    if (given !== undefined && given !== null && !(typeof given === "string" && KEY.test(given))) {
      throw clientError("invalid", `the key ${show(given, 0)} is not 1 to 64 letters, digits, "_" and "-"`);
    }
    const key = given ?? derivedKey(word, json);
    let question = questions.get(key);
    if (question === undefined) {
      question = { key, method, params: json };
      question.answer = new Promise((resolve, reject) => Object.assign(question, { resolve, reject }));
      questions.set(key, question);
      waiting.push(question);
    } else if (question.method !== method || question.params !== json) {
      throw clientError("invalid", `the key ${quote(key)} stands for two questions; give each its own`);
    }
    return read(parse(await question.answer), key);
  } catch (error) {
    if (error instanceof Error && authorsFrames(error.stack).length === 0) error.stack = asked.stack;
    throw error;
  }
};

const put = (batch) => {
  const answers = host.clientAsk(batch.map(({ key, method, params }) => [key, method, params]));
  if (answers.failed === undefined) {
    batch.forEach(({ key, resolve, reject }, at) => {
      const [refused, said] = answers[at];
      if (refused) reject(clientError("refused", `the client refused the question ${quote(key)}: ${said}`));
      else resolve(said);
    });
  } else if (batch.length > 1 && answers.failed !== "unanswered") {
    // One of them is at fault: the others have their answers.
    for (const question of batch) put([question]);
  } else {
    for (const { key, reject } of batch) {
      questions.delete(key);
      reject(clientError(answers.failed, answers.message));
    }
  }
};

// Puts what waits to the client; false when nothing does.
const putWaiting = () => {
  if (waiting.length === 0) return false;
  const batch = waiting;
  waiting = [];
  put(batch);
  return true;
};

const elicited = (action, content = null) => ({ action, accepted: action === "accept", content });

const formFilled = (form) => ({ action, content }, key) => {
  if (action !== "accept") return elicited(action);
  const values = filledIn(form, content ?? {});
  if (typeof values !== "string") return elicited(action, values);
  throw clientError("invalid", `the client's answer to the question ${quote(key)} does not fit: ${values}`);
};

// --- what the model of the client is told ---

// A text, a piece of content, or one of MCP's own blocks.
const blockOf = (value) => {
  if (typeof value === "string") return { type: "text", text: text(value) };
  const piece = recordOf(value);
  if (piece === undefined) {
    if (typeof value === "object" && value !== null && typeof value.type === "string") return value;
    throw new TypeError(`ctx.sample takes strings, ctx.image and ctx.audio as content, not ${show(value, 1)}`);
  }
  if (piece.type === "text") return { type: "text", text: piece.text };
  if (piece.type !== "image" && piece.type !== "audio") throw new TypeError(`ctx.sample cannot send a ${piece.type}; put its text into the message`);
  return { type: piece.type, data: host.base64Encode(piece.data, 0, piece.data.byteLength), mimeType: piece.mimeType };
};

const messageOfSampling = (value) => {
  if (typeof value === "string" || recordOf(value) !== undefined) return { role: "user", content: blockOf(value) };
  if (typeof value !== "object" || value === null || !ROLES.includes(value.role)) {
    throw new TypeError(`a message is a string or { role: "user" or "assistant", content }, not ${show(value, 1)}`);
  }
  const { content, ...more } = value;
  return { ...more, content: isArray(content) ? content.map(blockOf) : blockOf(content) };
};

const sampled = ({ content, model, stopReason }) => {
  const blocks = isArray(content) ? content : [content];
  const words = blocks.map((block) => (block?.type === "text" ? block.text : "")).join("");
  return { text: words, content, model: model ?? "", stopReason: stopReason ?? null };
};

// --- ctx ---

const optionsOf = (maker, options) => {
  if (typeof options !== "object" || options === null) throw new TypeError(`${maker} takes its options as an object, such as { key: "name" }`);
  return options;
};

const ctx = Object.freeze({
  ClientError,
  progress,
  debug: log.debug,
  info: log.info,
  warning: log.warning,
  error: log.error,
  can(...names) {
    const wanted = abilities(names);
    return (host.clientCan() & wanted) === wanted;
  },
  require(...names) {
    host.clientRequire(abilities(names));
  },
  becomeTask() {
    host.becomeTask();
  },
  async elicit(message, fields, options = {}) {
    const { key } = optionsOf("ctx.elicit", options);
    const form = formOf(fields);
    const params = { message: wantString("ctx.elicit", "message", message), requestedSchema: form };
    return ask("elicit", "elicitation", params, key, formFilled(form));
  },
  async visit(message, url, id, options = {}) {
    const { key } = optionsOf("ctx.visit", options);
    const maker = "ctx.visit";
    const params = {
      mode: "url",
      message: wantString(maker, "message", message),
      url: wantString(maker, "address", url instanceof URL ? url.href : url),
      elicitationId: wantString(maker, "id", id),
    };
    return ask("visit", "elicitation", params, key, ({ action }) => elicited(action));
  },
  async sample(messages, options = {}) {
    const { system, maxTokens = 1000, key, ...more } = optionsOf("ctx.sample", options);
    const list = (isArray(messages) ? messages : [messages]).map(messageOfSampling);
    if (list.length === 0) throw new TypeError("ctx.sample takes at least one message");
    if (!(Number.isSafeInteger(maxTokens) && maxTokens > 0)) throw new TypeError("ctx.sample: maxTokens is a whole number above 0");
    const params = { ...more, messages: list, maxTokens };
    if (system !== undefined && system !== null) params.systemPrompt = wantString("ctx.sample", "system", system);
    return ask("sample", "sampling", params, key, sampled);
  },
  async roots(options = {}) {
    const { key } = optionsOf("ctx.roots", options);
    return ask("roots", "roots", {}, key, ({ roots }) => roots.map(({ uri, name }) => ({ uri, name: name ?? null })));
  },
  ...pieces,
});

define({ ctx });
