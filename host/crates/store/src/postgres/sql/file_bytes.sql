SELECT bytes FROM hardstop.file WHERE digest = $1
