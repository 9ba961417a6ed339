def handle(body):
    return f"Hello, {body.strip() or 'World'}!\n"
