// @ts-check
/**
 * explain.js: the panel that says why a signature was refused. It sends what was pasted to the signer, which alone knows
 * the secret, and shows the cause and the fix that come back.
 */

const form = /** @type {HTMLFormElement} */ (document.getElementById('explain-form'));
const input = /** @type {HTMLTextAreaElement} */ (document.getElementById('explain-text'));
const button = /** @type {HTMLButtonElement} */ (document.getElementById('explain-button'));
const answer = /** @type {HTMLElement} */ (document.getElementById('explain-answer'));

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  if (button.getAttribute('aria-busy') === 'true') return;
  button.setAttribute('aria-busy', 'true');
  try {
    show(await ask(input.value));
  } catch {
    show({ message: 'the server cannot be reached' });
  } finally {
    button.removeAttribute('aria-busy');
  }
});

/**
 * @param {string} text
 * @returns {Promise<{ cause?: string | null, message: string, fix?: string | null }>}
 */
async function ask(text) {
  const response = await fetch('/explain', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ text }),
  });
  const body = await response.json();
  return body.data ?? body;
}

/** @param {{ cause?: string | null, message: string, fix?: string | null }} found */
function show({ cause, message, fix }) {
  answer.dataset.found = String(Boolean(cause));
  answer.replaceChildren(paragraph(message), ...(fix ? [paragraph(fix)] : []));
  answer.hidden = false;
}

/** @param {string} text the beginning of a sentence, in which code stands between backticks */
function paragraph(text) {
  const line = document.createElement('p');
  const sentence = `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
  for (const [index, piece] of sentence.split('`').entries()) {
    const node = document.createElement(index % 2 ? 'code' : 'span');
    node.textContent = piece;
    line.append(node);
  }
  return line;
}
