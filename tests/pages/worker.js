// A service worker outlives its page, and the server that it came from.
const answer = async (response) => {
  if (response.type.startsWith("opaque")) return { saw: response.type };
  const read = [...response.headers].map((header) => header.join(": ")).join("\n");
  return { saw: `${response.status}`, read: `${read}\n\n${await response.text()}` };
};

onmessage = async ({ data: { url, options }, ports }) => {
  try {
    ports[0].postMessage(await answer(await fetch(url, options)));
  } catch (error) {
    ports[0].postMessage({ saw: error.name });
  }
};
