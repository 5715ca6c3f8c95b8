// Stands in for DOMPurify, which needs a DOM. Good for parsing only, never for rendering: nothing is sanitised here.
const passThrough = (text) => String(text);
export default { sanitize: passThrough, addHook: () => {}, isSupported: true };
