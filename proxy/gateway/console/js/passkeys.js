// Passkeys: what the gate writes as base64url, the browser wants as bytes, and the other way round.

/** @param {string} text */
function bytes(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

/** @param {ArrayBuffer | null | undefined} buffer */
function base64url(buffer) {
  if (!buffer) return null;
  let plain = "";
  for (const byte of new Uint8Array(buffer)) plain += String.fromCharCode(byte);
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Whether this browser has passkeys here: they need https, or localhost. */
export function possible() {
  return typeof PublicKeyCredential === "function" && isSecureContext;
}

/** @param {any} list */
function credentials(list) {
  return (list ?? []).map((/** @type {any} */ each) => ({ ...each, id: bytes(each.id) }));
}

/**
 * Sends what may need a passkey. Where the gate asks for one, the same thing is sent once more with the proof: it is still
 * the one act of the visitor, and the gate has done nothing yet. `waits` is called while the browser asks.
 * @param {(proof: { step_up?: any }) => Promise<any>} send
 * @param {AbortSignal} signal
 * @param {() => void} [waits]
 */
export async function proved(send, signal, waits = () => {}) {
  try {
    return await send({});
  } catch (thrown) {
    const error = /** @type {any} */ (thrown);
    const asked = error.body?.step_up;
    if (error.status !== 428 || !asked) throw error;
    if (!possible()) throw stopped("This browser has no passkeys at this address: they need https, or localhost.");
    if (((asked.publicKey ?? asked).allowCredentials ?? []).length === 0) throw stopped("A passkey is asked for and you have none here. Add one under your account first.");
    waits();
    return send({ step_up: await prove(asked, signal) });
  }
}

/** @param {string} words */
function stopped(words) {
  return Object.assign(new Error(words), { status: 0, code: "passkey" });
}

/**
 * Proves with a passkey that the visitor is here. Answers what the gate wants to see.
 * @param {any} answered what the gate asked for, with or without `publicKey` around it
 * @param {AbortSignal} signal
 */
async function prove(answered, signal) {
  const asked = answered.publicKey ?? answered;
  const publicKey = { ...asked, challenge: bytes(asked.challenge), allowCredentials: credentials(asked.allowCredentials) };
  const credential = /** @type {any} */ (await navigator.credentials.get({ publicKey, signal }).catch((error) => { throw stopped(why(error)); }));
  const { response } = credential;
  return {
    id: credential.id, rawId: base64url(credential.rawId), type: credential.type,
    response: {
      authenticatorData: base64url(response.authenticatorData), clientDataJSON: base64url(response.clientDataJSON),
      signature: base64url(response.signature), userHandle: base64url(response.userHandle),
    },
    clientExtensionResults: credential.getClientExtensionResults(),
  };
}

/**
 * Makes a passkey. Answers what the gate keeps.
 * @param {any} answered
 * @param {AbortSignal} signal
 */
export async function make(answered, signal) {
  const asked = answered.publicKey ?? answered;
  const publicKey = {
    ...asked, challenge: bytes(asked.challenge), user: { ...asked.user, id: bytes(asked.user.id) },
    excludeCredentials: credentials(asked.excludeCredentials),
  };
  const credential = /** @type {any} */ (await navigator.credentials.create({ publicKey, signal }).catch((error) => { throw stopped(why(error)); }));
  const { response } = credential;
  return {
    id: credential.id, rawId: base64url(credential.rawId), type: credential.type,
    response: {
      attestationObject: base64url(response.attestationObject), clientDataJSON: base64url(response.clientDataJSON),
      transports: response.getTransports?.() ?? [],
    },
    clientExtensionResults: credential.getClientExtensionResults(),
  };
}

/**
 * Why no passkey came, in plain words.
 * @param {any} error
 */
function why(error) {
  if (error?.name === "NotAllowedError") return "No passkey was given: it was cancelled, took too long, or none fits.";
  if (error?.name === "InvalidStateError") return "This device holds a passkey for you already.";
  if (error?.name === "SecurityError") return "The browser gives no passkey at this address. Open the console at the address that the gate is configured with.";
  return String(error?.message ?? error);
}
