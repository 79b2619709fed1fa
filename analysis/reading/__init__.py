"""Reading dialogs: what a reading is, every dialog of a window read once, and the proof of what it claims."""
