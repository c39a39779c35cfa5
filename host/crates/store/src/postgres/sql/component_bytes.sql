SELECT bytes FROM hardstop.component WHERE digest = $1
