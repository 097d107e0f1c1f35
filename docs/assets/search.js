// What the search box lacks. It loads before the theme's own script: see mkdocs.yml.

// A page that was opened from a disk may start no worker: there, the search runs in a hidden frame.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      this.inside = frame.contentWindow;
      this.inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      const script = this.inside.document.createElement("script");
      this.started = new Promise((done) => script.addEventListener("load", done));
      script.src = address;
      this.inside.document.body.append(script);
    }

    postMessage(data) {
      const message = new MessageEvent("message", { data });
      this.started.then(() => this.inside.dispatchEvent(message));
    }
  };
}

// A leading minus means "without" to the search; whoever types --rerank looks for that option.
const send = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message, ...rest) {
  const words = message.data;
  const meant = typeof words === "string" ? words.replace(/(^|\s)-+/g, "$1") : words;
  send.call(this, { ...message, data: meant }, ...rest);
};

// What is pasted or dictated is typed with no key, which is what the box waits for.
addEventListener("input", ({ target }) => {
  if (target.matches("[data-md-component=search-query]")) target.dispatchEvent(new Event("keyup"));
});
