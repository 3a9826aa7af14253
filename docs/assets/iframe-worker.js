// Lets the search run on pages that are opened from a folder. Browsers start no worker from a file, so that the script of
// the search runs in a hidden frame instead, which exchanges the same messages.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(address) {
      super();
      const script = new URL(address, document.baseURI).href.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.srcdoc =
        "<script>postMessage = (data) => frameElement.dispatchEvent(new CustomEvent('answer', { detail: data }))</script>" +
        `<script src="${script}"></script>`;
      this.loaded = new Promise((resolve) => this.frame.addEventListener("load", resolve));
      this.frame.addEventListener("answer", ({ detail }) => {
        this.dispatchEvent(new MessageEvent("message", { data: detail }));
      });
      document.addEventListener("DOMContentLoaded", () => document.body.append(this.frame));
      if (document.body) document.body.append(this.frame);
    }

    async postMessage(data) {
      await this.loaded;
      this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }));
    }

    terminate() {
      this.frame.remove();
    }
  };
  window.Worker = window.IFrameWorker;
}
