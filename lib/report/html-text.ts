const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as it may stand between tags and within quotes; what no document may hold becomes a replacement character. */
export const escapeHtml = (content: string): string =>
  content
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '\ufffd')
    .replace(/[&<>"']/g, (letter) => ENTITIES[letter] as string);

/** The same, with what stands between backticks as code. */
export const inlineHtml = (content: string): string =>
  escapeHtml(content).replace(/`([^`]+)`/g, (_, code: string) => `<code>${code}</code>`);
