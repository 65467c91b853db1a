"""What the library does for a script or a notebook: one public function per command."""
