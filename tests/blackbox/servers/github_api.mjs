// Plays the GitHub API for the GitHub server: loaded into it before it starts, so that no test leaves this machine.

const found = { total_count: 1, items: [{ name: "gate.rs", repository: { full_name: "ana/wicket" } }] };

globalThis.fetch = async (url) => {
  const path = new URL(url).pathname;
  if (path === "/search/code") return Response.json(found);
  return Response.json({ message: `nothing at ${path}` }, { status: 404 });
};
