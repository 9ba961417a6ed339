def handle(r): return r
