"""Pure rules that van and hub must compute alike. No sockets, files, clocks or environment."""
