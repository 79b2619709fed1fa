/* Theme before the first paint, the drawer of the phone, anchors of messages. No data of a person passes here. */
(function () {
  const root = document.documentElement;
  const media = window.matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => (document.cookie.match(/(?:^|; )synkro-theme=(light|dark)/) || [])[1] || "auto";
  function apply() {
    const value = chosen();
    const dark = value === "dark" || (value === "auto" && media.matches);
    root.dataset.theme = dark ? "dark" : "light";
    root.dataset.choice = value;
    if (window.Quasar) window.Quasar.Dark.set(dark);
  }
  window.synkro = {
    theme(value) {
      const secure = location.protocol === "https:" ? "; Secure" : "";
      document.cookie = `synkro-theme=${value}; path=/; max-age=31536000; SameSite=Lax${secure}`;
      apply();
    },
    nextTheme() {
      this.theme({ auto: "light", light: "dark", dark: "auto" }[chosen()]);
    },
    drawer() {
      root.classList.toggle("nav-open");
    },
    /* the page is drawn after the browser looked for the anchor: look again until it is there */
    seek(tries = 40) {
      const id = decodeURIComponent(location.hash.slice(1));
      if (!id) return;
      const target = document.getElementById(id);
      if (!target) return void (tries && setTimeout(() => this.seek(tries - 1), 100));
      document.querySelectorAll(".is-target").forEach((e) => e.classList.remove("is-target"));
      target.classList.add("is-target");
      target.scrollIntoView({ block: "center" });
    },
  };
  apply();
  media.addEventListener("change", apply);
  window.addEventListener("hashchange", () => window.synkro.seek());
  window.addEventListener("load", () => {
    apply();
    window.synkro.seek();
  });
})();
