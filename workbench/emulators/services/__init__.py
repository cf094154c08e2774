"""The emulators on the first port, one module each; docs/how-to/an-emulator.md says how to add one."""
