name=$(cat)
echo "Hello, ${name:-World}!"
