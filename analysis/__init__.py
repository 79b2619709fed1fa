"""The AI of Synkro: dialogs in, readings and one report out, every claim with a quote. See README.md."""
