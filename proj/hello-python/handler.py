def handle(event, context):
    name = event.body.decode("utf-8").strip() or "World"
    return {
        "statusCode": 200,
        "body": f"Hello, {name}!\n",
        "headers": {"Content-Type": "text/plain; charset=utf-8"},
    }
