// The pages at the door: asking for the access token, and signing out. Self-contained: no script, no file besides itself, its style by nonce.

const SENTENCES = {
  wrong: "That is not this studio’s access token. Check it and try again.",
  fast: "Too many attempts. Wait a minute, then try again.",
};

const STYLE = `
:root { color-scheme: light dark; --paper: #f5f5f7; --card: #fff; --ink: #1b1d24; --soft: #5b6070; --line: #8a8f9d;
  --accent: #2f5bd7; --on-accent: #fff; --fault: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --paper: #101218; --card: #191c25; --ink: #eef0f6; --soft: #a6acbd;
  --line: #6d7487; --accent: #8fb0ff; --on-accent: #0d1530; --fault: #ffb4ab; } }
* { box-sizing: border-box; margin: 0; }
body { min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 24rem; padding: 2rem; border-radius: 1rem; background: var(--card);
  box-shadow: 0 1px 2px #0002, 0 8px 32px #0002; }
h1 { font-size: 1.375rem; line-height: 1.3; margin-bottom: .25rem; }
p { color: var(--soft); }
a { color: var(--accent); }
form { display: grid; gap: .5rem; margin-top: 1.5rem; }
label { font-weight: 600; }
input, button { width: 100%; padding: .75rem .875rem; border-radius: .5rem; font: inherit; }
input { border: 1px solid var(--line); background: transparent; color: inherit; }
input[aria-invalid] { border-color: var(--fault); }
button { margin-top: .5rem; border: 0; background: var(--accent); color: var(--on-accent); font-weight: 600; cursor: pointer; }
button:hover { filter: brightness(1.08); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
[role=alert] { color: var(--fault); }
small { color: var(--soft); }`;

/** Asks for the token. @param {"wrong" | "fast" | null} fault what went wrong with the last attempt */
export function accessPage(status, fault) {
  const described = fault ? 'aria-invalid="true" aria-describedby="fault hint"' : 'aria-describedby="hint"';
  const alert = fault ? `<p id="fault" role="alert">${SENTENCES[fault]}</p>` : "";
  return page(status, fault ? "Try again" : "Sign in", `<h1>Open the studio</h1>
<p>This studio is private.</p>
<form method="post" action="/access">
<input name="username" value="studio" autocomplete="username" hidden>
<label for="token">Access token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus ${described}>
${alert}
<small id="hint">It was shown or chosen when the studio was deployed; <code>invokeai-cloud deploy --new-access-token</code>
makes another. This browser stays signed in for 30 days.</small>
<button>Open</button>
</form>`);
}

/** For somebody who is signed in already. */
export function signedInPage(endsAt) {
  const day = new Date(endsAt * 1000).toISOString().slice(0, 10);
  return page(200, "Signed in", `<h1>You are signed in</h1>
<p>This browser may use the studio until ${day}.</p>
<p><a href="/">Open the studio</a></p>
<form method="post" action="/access/leave">
<button>Sign out</button>
</form>`);
}

function page(status, title, content) {
  const nonce = crypto.randomUUID().replaceAll("-", "");
  const text = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title} · InvokeAI Cloud</title>
<link rel="icon" href="data:,">
<style nonce="${nonce}">${STYLE}</style>
</head>
<body>
<main>
${content}
</main>
</body>
</html>`;
  const sources = `default-src 'none'; style-src 'nonce-${nonce}'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`;
  const headers = { "content-type": "text/html; charset=utf-8", "cache-control": "no-store", "content-security-policy": sources };
  return new Response(text, { status, headers });
}
