// Signs in to affinity-server by the npm package oidc-provider: discovery, PKCE, the provider's own pages, code,
// ID token and userinfo. Usage: npm ci && node check.mjs <affinity-server binary>
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import assert from "node:assert/strict";
import Provider from "oidc-provider";

const binary = process.argv[2];
assert(binary, "usage: node check.mjs <affinity-server binary>");

const freePort = () =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

const [providerPort, serverPort] = [await freePort(), await freePort()];
const issuer = `http://127.0.0.1:${providerPort}`;
const server = `http://127.0.0.1:${serverPort}`;
const callback = `${server}/auth/teraffi/openid/google/return`;

const provider = new Provider(issuer, {
  clients: [{ client_id: "affinity", client_secret: "secret of the client", redirect_uris: [callback] }],
  claims: { email: ["email", "email_verified"], profile: ["name"] },
  pkce: { required: () => true },
  cookies: { keys: ["a key of this check"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.org`, email_verified: id !== "unverified", name: "Anna" }),
  }),
});
const listening = provider.listen(providerPort, "127.0.0.1");

const folder = mkdtempSync(join(tmpdir(), "affinity-openid-"));
writeFileSync(
  join(folder, "providers.toml"),
  `[[provider]]\nplatform = "teraffi"\nname = "google"\nissuer = "${issuer}"\nclient_id = "affinity"\nclient_secret = "secret of the client"\n`,
);
const child = spawn(
  binary,
  ["--data-dir", join(folder, "data"), "--addr", `127.0.0.1:${serverPort}`, "--demo-members", "0",
    "--openid-providers", join(folder, "providers.toml")],
  { stdio: ["ignore", "ignore", "pipe"] },
);
let log = "";
const started = new Promise((resolve, reject) => {
  child.stderr.on("data", (part) => {
    log += part;
    if (log.includes("listening on http://")) resolve();
  });
  child.on("exit", () => reject(new Error(log)));
});

/** A browser: cookies per origin, forms filled in, redirects followed until `stop` says so. */
class Browser {
  cookies = new Map();

  async open(url, options = {}) {
    const { origin } = new URL(url);
    const jar = this.cookies.get(origin) ?? new Map();
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await fetch(url, { ...options, redirect: "manual", headers: { ...options.headers, cookie } });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (value === "") jar.delete(name);
      else jar.set(name, value);
    }
    this.cookies.set(origin, jar);
    return answer;
  }

  /** From the server to the provider's pages and back: the last answer of the server. */
  async signIn(login) {
    let url = `${server}/auth/teraffi/openid/google?return_to=/docs`;
    for (let step = 0; step < 20; step += 1) {
      const answer = await this.open(url);
      const location = answer.headers.get("location");
      if (url.startsWith(callback)) return answer;
      if (location) {
        url = new URL(location, url).href;
        continue;
      }
      const page = await answer.text();
      const action = /<form[^>]*action="([^"]+)"/.exec(page)?.[1];
      assert(action, `no form: ${answer.status} ${page}`);
      const prompt = /name="prompt" value="([^"]+)"/.exec(page)[1];
      const body = new URLSearchParams({ prompt, ...(prompt === "login" ? { login, password: "any" } : {}) });
      const sent = await this.open(new URL(action, url).href, { method: "POST", body });
      url = new URL(sent.headers.get("location"), url).href;
    }
    throw new Error("too many steps");
  }

  async me() {
    return (await this.open(`${server}/auth/teraffi/me`)).json();
  }
}

try {
  await started;
  const browser = new Browser();
  const first = await browser.signIn("anna");
  assert.equal(first.status, 303, await first.text());
  assert.equal(first.headers.get("location"), "/docs");
  const me = await browser.me();
  assert.equal(me.standing, "member");
  assert.deepEqual([me.account.email, me.account.verified], ["anna@example.org", true]);

  const again = new Browser();
  await again.signIn("anna");
  assert.equal((await again.me()).account.id, me.account.id, "the same account");

  const refused = await new Browser().signIn("unverified");
  assert.deepEqual([refused.status, (await refused.json()).code], [403, "no_verified_address"]);
  console.log("signed in by oidc-provider: a new account, the same account again, and an unverified address refused");
} finally {
  child.kill("SIGTERM");
  await new Promise((resolve) => child.on("exit", resolve));
  listening.close();
  listening.closeAllConnections?.();
  rmSync(folder, { recursive: true, force: true });
}
